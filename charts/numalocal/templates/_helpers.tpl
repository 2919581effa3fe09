{{/* Names and labels. */}}

{{/* The prefix of all names: the release, which says numalocal itself or gets it appended. */}}
{{- define "numalocal.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name }}
{{- else -}}
{{ .Release.Name }}-{{ .Chart.Name }}
{{- end -}}
{{- end }}

{{- define "numalocal.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: {{ .Chart.Name }}
{{ include "numalocal.selector" . }}
{{- end }}

{{- define "numalocal.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* An image of .Values.images by its name; an empty tag is the chart's appVersion. */}}
{{- define "numalocal.image" -}}
{{- $image := index .root.Values.images .name -}}
{{ $image.repository }}:{{ $image.tag | default .root.Chart.AppVersion }}
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
