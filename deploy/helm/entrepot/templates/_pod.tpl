{{/* The volumes of secrets, by what they are for. */}}
{{- define "entrepot.secrets" -}}
{{- $v := .Values -}}
{{- toYaml (dict
  "credentials" $v.credentials.secretName
  "auth" $v.auth.secretName
  "tls" $v.tls.secretName
  "hosted-tls" (ternary $v.hosted.tls.secretName "" $v.hosted.enabled)
  "authority" (ternary $v.proxy.authoritySecretName "" $v.proxy.enabled)) -}}
{{- end -}}

{{- define "entrepot.probe" -}}
path: {{ .path }}
port: registry
{{- if eq .scheme "https" }}
scheme: HTTPS
{{- end }}
{{- end -}}

{{/* The pod, of the Deployment and of the StatefulSet. */}}
{{- define "entrepot.pod" -}}
{{- $v := .Values -}}
{{- $scheme := include "entrepot.scheme" . -}}
{{- $secrets := include "entrepot.secrets" . | fromYaml -}}
metadata:
  labels:
    {{- include "entrepot.selector" . | nindent 4 }}
    {{- with $v.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    # A change of the configuration is a rollout.
    checksum/config: {{ include "entrepot.config" . | sha256sum }}
    {{- with $v.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "entrepot.fullname" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- with $v.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  # The preStop, the grace, the 10 s after which the process ends whatever is stuck, and as much again.
  terminationGracePeriodSeconds: {{ add $v.shutdown.drainSeconds $v.shutdown.graceSeconds 30 }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 10001
    runAsGroup: 10001
    fsGroup: 10001
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "entrepot.selector" $ | nindent 10 }}
    {{- end }}
  {{- with $v.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: entrepot
      image: {{ include "entrepot.image" . | quote }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      args: [serve, --config, /etc/entrepot/entrepot.yaml]
      {{- with $v.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: registry
          containerPort: 5000
        {{- if $v.hosted.enabled }}
        - name: hosted
          containerPort: 5001
        {{- end }}
        {{- if $v.proxy.enabled }}
        - name: proxy
          containerPort: 3128
        {{- end }}
      startupProbe:
        httpGet:
          {{- include "entrepot.probe" (dict "path" "/healthz" "scheme" $scheme) | nindent 10 }}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 150
      livenessProbe:
        httpGet:
          {{- include "entrepot.probe" (dict "path" "/healthz" "scheme" $scheme) | nindent 10 }}
        periodSeconds: 20
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet:
          {{- include "entrepot.probe" (dict "path" "/readyz" "scheme" $scheme) | nindent 10 }}
        periodSeconds: 5
        timeoutSeconds: 3
        failureThreshold: 3
      {{- with $v.shutdown.drainSeconds }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ . }}
      {{- end }}
      resources:
        {{- $storage := ternary "100Mi" $v.cache.volumeSize $v.persistence.enabled }}
        {{- mergeOverwrite (dict "requests" (dict "ephemeral-storage" $storage)) (deepCopy $v.resources) | toYaml | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        privileged: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: config
          mountPath: /etc/entrepot
          readOnly: true
        {{- range $name, $secret := $secrets }}
        {{- if $secret }}
        - name: {{ $name }}
          mountPath: /etc/entrepot-{{ $name }}
          readOnly: true
        {{- end }}
        {{- end }}
        - name: tmp
          mountPath: /tmp
        - name: data
          mountPath: /var/lib/entrepot
  volumes:
    - name: config
      configMap:
        name: {{ include "entrepot.fullname" . }}
    {{- range $name, $secret := $secrets }}
    {{- if $secret }}
    - name: {{ $name }}
      secret:
        secretName: {{ $secret }}
        defaultMode: 288 # 0440: nobody but the process
    {{- end }}
    {{- end }}
    - name: tmp
      emptyDir:
        sizeLimit: 64Mi
    {{- if not $v.persistence.enabled }}
    - name: data
      emptyDir:
        sizeLimit: {{ $v.cache.volumeSize }}
    {{- end }}
{{- end -}}
