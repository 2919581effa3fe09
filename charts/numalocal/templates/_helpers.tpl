{{/* Names and labels. */}}

{{- define "numalocal.name" -}}
{{ .Values.nameOverride | default .Chart.Name }}
{{- end }}

{{/*
The prefix of all names: the release, which says numalocal itself or gets it appended. A Service's name has at most 63
characters, of which 10 are for what is appended.
*/}}
{{- define "numalocal.fullname" -}}
{{- $name := include "numalocal.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{ .Values.fullnameOverride | default $full | trunc 53 | trimSuffix "-" }}
{{- end }}

{{- define "numalocal.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
{{ include "numalocal.selector" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels of the pods of a part, of which .part has the values. */}}
{{- define "numalocal.pod-labels" -}}
{{ include "numalocal.selector" .root }}
{{- with merge (dict) .part.podLabels .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "numalocal.selector" -}}
app.kubernetes.io/name: {{ include "numalocal.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* An image of .Values.images by its name: a digest is all that counts; an empty tag is the chart's appVersion. */}}
{{- define "numalocal.image" -}}
{{- $image := index .root.Values.images .name -}}
{{- $repository := $image.repository -}}
{{- with .root.Values.images.registry -}}
{{- $repository = printf "%s/%s" . (regexReplaceAll "^([^/]*[.:][^/]*|localhost)/" $repository "") -}}
{{- end -}}
{{- with $image.digest -}}
{{ $repository }}@{{ . }}
{{- else -}}
{{ $repository }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "numalocal.scrape" -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .Values.agent.httpPort | quote }}
prometheus.io/path: /metrics
{{- end }}

{{/* What a group of this name adds to names, and to the labels of its agents. */}}
{{- define "numalocal.suffix" -}}
{{- if . }}-{{ . }}{{ end }}
{{- end }}

{{- define "numalocal.agent-labels" -}}
app.kubernetes.io/component: agent
{{- if . }}
numalocal.io/node-group: {{ . }}
{{- end }}
{{- end }}

{{/* Refuse two groups that one node could belong to: it would have two agents. */}}
{{- define "numalocal.require-disjoint" -}}
{{- range $one, $first := .nodeGroups }}
{{- range $two, $second := $.nodeGroups }}
{{- $apart := false }}
{{- range $label, $value := $first.nodeSelector }}
{{- if and (hasKey $second.nodeSelector $label) (ne $value (get $second.nodeSelector $label)) }}
{{- $apart = true }}
{{- end }}
{{- end }}
{{- if and (lt $one $two) (not $apart) }}
{{- fail (printf "nodeGroups: a node could be both of %s and of %s, and would have two agents; give both nodeSelectors one label with different values" $one $two) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
