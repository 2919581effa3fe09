{{/* What the schema cannot say, and API server, agent or kubelet would refuse later. */}}

{{- define "numalocal.require" -}}
{{- include "numalocal.require-disjoint" .Values }}
{{- range $name, $group := .Values.nodeGroups | default (dict "" (dict)) }}
{{- include "numalocal.require-nodes" (dict "name" $name "group" $group "agent" $.Values.agent) }}
{{- $path := hasKey $group "pools" | ternary (printf "nodeGroups.%s.pools" $name) "pools" }}
{{- include "numalocal.require-pools" (dict "path" $path "pools" (dig "pools" $.Values.pools $group)) }}
{{- end }}
{{- range $part := list "agent" "operator" }}
{{- $values := index $.Values $part }}
{{- include "numalocal.require-variables" (dict "path" (printf "%s.extraEnv" $part) "variables" $values.extraEnv) }}
{{- include "numalocal.require-resources" (dict "path" (printf "%s.resources" $part) "resources" ($values.resources | default (dict))) }}
{{- end }}
{{- include "numalocal.require-spread" .Values.operator.topologySpreadConstraints }}
{{- if and .Values.webhook.enabled (eq .Values.operator.namespace .Release.Namespace) }}
{{- fail (printf "operator.namespace: pods of the release's own namespace, %s, never meet the webhook; install the release elsewhere, or without it: webhook.enabled=false" .Release.Namespace) }}
{{- end }}
{{- end }}

{{/* Refuse pools that every agent would: two of one name, a range that runs backwards, an amount that cannot be. */}}
{{- define "numalocal.require-pools" -}}
{{- $names := list }}
{{- range $index, $pool := .pools }}
{{- $path := printf "%s[%d]" $.path $index }}
{{- if has .name $names }}
{{- fail (printf "%s: pool %s is there twice; give every pool a name of its own" $.path .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- if kindIs "string" .nodes }}
{{- range splitList "," .nodes }}
{{- $ends := splitList "-" . }}
{{- if gt (first $ends | atoi) (last $ends | atoi) }}
{{- fail (printf "%s.nodes: range %s runs backwards; write %s-%s" $path . (last $ends) (first $ends)) }}
{{- end }}
{{- if gt (last $ends | atoi) 8191 }}
{{- fail (printf "%s.nodes: no machine has a NUMA node %s; the highest is 8191" $path (last $ends)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if hasKey . "memory" }}
{{- $bytes := include "numalocal.amount" .memory | float64 }}
{{- if or (lt $bytes 1048576.0) (ge $bytes 9223372036854775808.0) }}
{{- fail (printf "%s.memory: %v is no amount that a CPU set has; write one such as 64Gi" $path .memory) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* A quantity of Kubernetes as a number. */}}
{{- define "numalocal.amount" -}}
{{- $text := toString . }}
{{- $unit := regexFind "([KMGTPE]i|[numkMGTPE])$" $text }}
{{- $powers := dict "n" -3 "u" -2 "m" -1 "k" 1 "M" 2 "G" 3 "T" 4 "P" 5 "E" 6 }}
{{- $base := hasSuffix "i" $unit | ternary 1024.0 1000.0 }}
{{- $amount := trimSuffix $unit $text | float64 }}
{{- $power := get $powers (trimSuffix "i" $unit) | default (eq $unit "Ki" | ternary 1 0) }}
{{- range until (max $power 0 | int) }}
{{- $amount = mulf $amount $base }}
{{- end }}
{{- range until (max (sub 0 $power) 0 | int) }}
{{- $amount = divf $amount $base }}
{{- end }}
{{- $amount }}
{{- end }}

{{/* Refuse a variable that is there twice: the last would count, and nobody would see which. */}}
{{- define "numalocal.require-variables" -}}
{{- $names := list }}
{{- range .variables }}
{{- if has .name $names }}
{{- fail (printf "%s: variable %s is there twice; leave one of them out" $.path .name) }}
{{- end }}
{{- $names = append $names .name }}
{{- end }}
{{- end }}

{{/* Refuse requests above their limits; of what cannot be overcommitted there must be a limit, and the same. */}}
{{- define "numalocal.require-resources" -}}
{{- $limits := .resources.limits | default (dict) }}
{{- range $name, $request := .resources.requests }}
{{- $asked := include "numalocal.amount" $request | float64 }}
{{- $exact := or (contains "/" $name) (hasPrefix "hugepages-" $name) }}
{{- if hasKey $limits $name }}
{{- $limit := get $limits $name }}
{{- $most := include "numalocal.amount" $limit | float64 }}
{{- if or (gt $asked $most) (and $exact (lt $asked $most)) }}
{{- fail (printf "%s.requests.%s: %v is %s the limit, %v; %s" $.path $name $request (gt $asked $most | ternary "above" "below") $limit ($exact | ternary "both must be the same" "request less, or raise the limit")) }}
{{- end }}
{{- else if $exact }}
{{- fail (printf "%s.requests.%s: must have a limit of the same amount" $.path $name) }}
{{- end }}
{{- end }}
{{- end }}

{{/* Refuse two constraints of one kind over one label. */}}
{{- define "numalocal.require-spread" -}}
{{- $pairs := list }}
{{- range . }}
{{- $pair := printf "%s of %s" .whenUnsatisfiable .topologyKey }}
{{- if has $pair $pairs }}
{{- fail (printf "operator.topologySpreadConstraints: %s is there twice; leave one of them out" $pair) }}
{{- end }}
{{- $pairs = append $pairs $pair }}
{{- end }}
{{- end }}

{{/* Refuse a group whose nodes are none of the agent's. */}}
{{- define "numalocal.require-nodes" -}}
{{- range $label, $value := .group.nodeSelector }}
{{- if ne $value (dig $label $value $.agent.nodeSelector) }}
{{- fail (printf "nodeGroups.%s.nodeSelector: no node has %s=%s and, as agent.nodeSelector says, %s; take the label out of one of them" $.name $label $value (get $.agent.nodeSelector $label)) }}
{{- end }}
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
