{{- define "entrepot.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "entrepot.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains (include "entrepot.name" .) .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "entrepot.name" .) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "entrepot.selector" -}}
app.kubernetes.io/name: {{ include "entrepot.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "entrepot.labels" -}}
{{ include "entrepot.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "entrepot.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ default .Chart.AppVersion $image.tag }}
{{- end -}}
{{- end -}}

{{- define "entrepot.scheme" -}}
{{- if .Values.tls.secretName }}https{{ else }}http{{ end -}}
{{- end -}}

{{/* A size in bytes, of Entrepot's notation and of Kubernetes': both know Gi, and G is a power of 1000 in both. */}}
{{- define "entrepot.bytes" -}}
{{- $units := dict "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 -}}
{{- $unit := regexFind "[kKMGT]i?" . -}}
{{- mulf (regexFind "^[0-9.]+" . | float64) (get $units $unit) -}}
{{- end -}}

{{/* The configuration: what follows from the values, and over it `config`. */}}
{{- define "entrepot.config" -}}
{{- $registry := dict "listen" ":5000" "default" "docker.io" -}}
{{- if .Values.tls.secretName -}}
{{- $_ := set $registry "tls" (dict "cert" "/etc/entrepot-tls/tls.crt" "key" "/etc/entrepot-tls/tls.key") -}}
{{- end -}}
{{- $hosted := dict "listen" "none" -}}
{{- if .Values.hosted.enabled -}}
{{- $_ := set $hosted "listen" ":5001" -}}
{{- if .Values.hosted.tls.secretName -}}
{{- $_ := set $hosted "tls" (dict "cert" "/etc/entrepot-hosted-tls/tls.crt" "key" "/etc/entrepot-hosted-tls/tls.key") -}}
{{- end -}}
{{- end -}}
{{- $proxy := dict "listen" (ternary ":3128" "none" .Values.proxy.enabled) -}}
{{- $config := dict
  "data" "/var/lib/entrepot"
  "doors" (dict "registry" $registry "hosted" $hosted "proxy" $proxy)
  "cache" (dict "maxBytes" .Values.cache.maxBytes)
  "log" (dict "level" "info" "format" "json")
  "shutdown" (dict "grace" (printf "%ds" (int .Values.shutdown.graceSeconds))) -}}
{{- if .Values.hosted.names -}}
{{- $_ := set $config "hosted" (dict "names" .Values.hosted.names) -}}
{{- end -}}
{{- if .Values.auth.secretName -}}
{{- $_ := set $config "auth" (dict "htpasswd" "/etc/entrepot-auth/htpasswd") -}}
{{- end -}}
{{- if .Values.credentials.secretName -}}
{{- $_ := set $config "dockerConfig" "/etc/entrepot-credentials/.dockerconfigjson" -}}
{{- end -}}
{{- if .Values.proxy.authoritySecretName -}}
{{- $_ := set $config "proxy" (dict "ca" (dict "cert" "/etc/entrepot-authority/tls.crt" "key" "/etc/entrepot-authority/tls.key")) -}}
{{- end -}}
{{- mergeOverwrite $config (deepCopy .Values.config) | toYaml -}}
{{- end -}}

{{/* Values that each are right, and cannot be together. */}}
{{- define "entrepot.check" -}}
{{- $v := .Values -}}
{{- $room := divf (include "entrepot.bytes" $v.cache.volumeSize | float64) (include "entrepot.bytes" $v.cache.maxBytes | float64) -}}
{{- if lt $room 1.3 -}}
{{- fail (printf "cache.maxBytes (%s) needs a larger cache.volumeSize than %s: half as much again leaves room for downloads and the index" $v.cache.maxBytes $v.cache.volumeSize) -}}
{{- end -}}
{{- if hasKey $v.config "data" -}}
{{- fail "config.data is where the chart puts the volume: leave it out" -}}
{{- end -}}
{{- if hasKey (default dict $v.config.cache) "maxBytes" -}}
{{- fail "config.cache.maxBytes: give cache.maxBytes instead, which is held against cache.volumeSize" -}}
{{- end -}}
{{- range $door, $keys := default dict $v.config.doors -}}
{{- if hasKey $keys "listen" -}}
{{- fail (printf "config.doors.%s.listen is the chart's, whose ports are 5000, 5001 and 3128: leave it out" $door) -}}
{{- end -}}
{{- end -}}
{{- $registryDoor := default dict (default dict $v.config.doors).registry -}}
{{- if (default dict $registryDoor.tls).clientCa -}}
{{- fail "config.doors.registry.tls.clientCa: the probes of Kubernetes have no certificate to show, and no replica would become ready" -}}
{{- end -}}
{{- if hasKey (default dict $v.config.shutdown) "grace" -}}
{{- fail "config.shutdown.grace: give shutdown.graceSeconds instead, which Kubernetes has to know, too" -}}
{{- end -}}
{{- if $v.hosted.enabled -}}
{{- if gt (int $v.replicaCount) 1 -}}
{{- fail "hosted.enabled needs replicaCount 1: replicas share no storage, and what is pushed would be on one of them only" -}}
{{- end -}}
{{- if not $v.persistence.enabled -}}
{{- fail "hosted.enabled needs persistence.enabled: what is pushed would go with the pod" -}}
{{- end -}}
{{- if not (or $v.auth.secretName (default dict $v.config.hosted).allowAnonymousPush) -}}
{{- fail "hosted.enabled needs auth.secretName: everybody could push and delete, and Entrepot would not start" -}}
{{- end -}}
{{- end -}}
{{- if and $v.proxy.enabled (not $v.proxy.authoritySecretName) (or (gt (int $v.replicaCount) 1) (not $v.persistence.enabled)) -}}
{{- fail "proxy.enabled needs proxy.authoritySecretName: each replica, and each new pod, would make an authority of its own, which no client trusts" -}}
{{- end -}}
{{- if and (eq $v.service.cloud "aws") $v.service.loadBalancerIP -}}
{{- fail "service.loadBalancerIP is nothing for aws, which gives a name: see service.annotations" -}}
{{- end -}}
{{- end -}}

{{/* What a cloud has to be told to make an internal load balancer, and to keep clients where they were. */}}
{{- define "entrepot.cloudAnnotations" -}}
{{- if eq .Values.service.cloud "gcp" -}}
networking.gke.io/load-balancer-type: Internal
networking.gke.io/internal-load-balancer-allow-global-access: "true"
{{- else if eq .Values.service.cloud "azure" -}}
service.beta.kubernetes.io/azure-load-balancer-internal: "true"
{{- with .Values.service.loadBalancerIP }}
service.beta.kubernetes.io/azure-load-balancer-ipv4: {{ . | quote }}
{{- end }}
{{- else if eq .Values.service.cloud "aws" -}}
service.beta.kubernetes.io/aws-load-balancer-type: external
service.beta.kubernetes.io/aws-load-balancer-scheme: internal
service.beta.kubernetes.io/aws-load-balancer-nlb-target-type: ip
service.beta.kubernetes.io/aws-load-balancer-target-group-attributes: stickiness.enabled=true,stickiness.type=source_ip,preserve_client_ip.enabled=true,deregistration_delay.timeout_seconds=30
service.beta.kubernetes.io/aws-load-balancer-attributes: load_balancing.cross_zone.enabled=true
service.beta.kubernetes.io/aws-load-balancer-healthcheck-protocol: {{ include "entrepot.scheme" . }}
service.beta.kubernetes.io/aws-load-balancer-healthcheck-path: /readyz
{{- end -}}
{{- end -}}
