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
{{- $release := regexReplaceAll "^([0-9])" (.Release.Name | replace "." "-") "n${1}" -}}
{{- $full := contains $name $release | ternary $release (printf "%s-%s" $release $name) -}}
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
app.kubernetes.io/name: {{ include "numalocal.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
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
numalocal.io/node-group: {{ . | quote }}
{{- end }}
{{- end }}
