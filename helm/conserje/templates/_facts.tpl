{{/*
What the code decides and no operator may: which module a workload runs, where it listens, whom it
calls. The network policies, certificates and targets all follow from this one list.
*/}}
{{- define "conserje.facts" -}}
gateway:
  process: gateway
  args: ["-m", "gateway"]
  identity: gateway
  calls: [messaging, tenant, booking]
  http: true
tenant:
  process: tenant
  args: ["-m", "services.tenant"]
  identity: tenant
  calls: []
  database: tenant
  keys: tenantKeys
booking:
  process: booking
  args: ["-m", "services.booking"]
  identity: booking
  calls: [tenant]
  database: booking
  redis: true
  outside: true
messaging:
  process: messaging
  redis: true
  args: ["-m", "services.messaging", "--only=serve"]
  identity: messaging
  calls: [tenant]
  database: messaging
  keys: messagingKeys
  graph: true
  outside: true
messagingSteps:
  process: messaging
  redis: true
  args: ["-m", "services.messaging", "--only=steps"]
  identity: messaging
  calls: [tenant, booking]
  database: messaging
  graph: true
  outside: true
messagingSend:
  process: messaging
  redis: true
  args: ["-m", "services.messaging", "--only=send"]
  identity: messaging
  calls: [tenant]
  database: messaging
  graph: true
  outside: true
messagingMedia:
  process: messaging
  redis: true
  args: ["-m", "services.messaging", "--only=media"]
  identity: messaging
  calls: [tenant]
  database: messaging
  graph: true
  outside: true
  media: true
{{- end }}

{{/* The objects' names: conserje-messaging-steps for messagingSteps. */}}
{{- define "conserje.name" -}}
{{ printf "%s-%s" .root.Release.Name (kebabcase .workload) | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Where webhooks are taken inside the cluster: the port is the pods' own. */}}
{{- define "conserje.webhookUrl" -}}
http://{{ include "conserje.name" (dict "root" . "workload" "gateway") }}:8080/webhooks/whatsapp
{{- end }}

{{- define "conserje.selector" -}}
app.kubernetes.io/name: conserje
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .workload }}
app.kubernetes.io/component: {{ kebabcase . }}
{{- end }}
{{- end }}

{{- define "conserje.labels" -}}
{{ include "conserje.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{- define "conserje.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end -}}
{{- end }}

{{- define "conserje.sandboxImage" -}}
{{- with .Values.dev.sandboxImage }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end }}

{{/* Which way certificates are made; empty when the mesh is insecure. */}}
{{- define "conserje.certificates" -}}
{{- if not .Values.mesh.insecure -}}
{{- $source := .Values.mesh.certificates.source -}}
{{- if ne $source "auto" -}}{{ $source }}
{{- else if .Capabilities.APIVersions.Has "cert-manager.io/v1" -}}certManager
{{- else -}}job
{{- end -}}
{{- end -}}
{{- end }}

{{/* The secret with a workload's certificate: one for each identity. */}}
{{- define "conserje.certificateSecret" -}}
{{- $prefix := printf "%s-tls" .root.Release.Name -}}
{{- if eq (include "conserje.certificates" .root) "existing" -}}
{{- $prefix = .root.Values.mesh.certificates.existingSecretPrefix -}}
{{- end -}}
{{ printf "%s-%s" $prefix .identity }}
{{- end }}

{{/* One variable read from an existing secret. */}}
{{- define "conserje.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef: {name: {{ .secret | quote }}, key: {{ .key }}}
{{- end }}

{{/* Which nodes a pod may run on: any pod of ours, since an install waits for its jobs. */}}
{{- define "conserje.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "conserje.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "conserje.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Postgres as a secret of the operator's, or the throwaway one. */}}
{{- define "conserje.databaseSecret" -}}
{{- if .root.Values.dev.enabled -}}
{{ .root.Release.Name }}-dev-{{ .database }}-database
{{- else -}}
{{ get .root.Values.secrets (printf "%sDatabase" .database) }}
{{- end -}}
{{- end }}

{{- define "conserje.secretName" -}}
{{- if .root.Values.dev.enabled -}}
{{ .root.Release.Name }}-dev-{{ kebabcase .kind }}
{{- else -}}
{{ get .root.Values.secrets .kind }}
{{- end -}}
{{- end }}

{{/* The environment of a process; `fact` is one of conserje.facts. */}}
{{- define "conserje.environment" -}}
{{- $root := .root -}}
{{- $process := upper .fact.process -}}
{{- $own := printf "CONSERJE_%s_" $process -}}
- {name: {{ $own }}GRPC_LISTEN, value: "0.0.0.0:50051"}
- {name: {{ $own }}OPS_LISTEN, value: "0.0.0.0:9090"}
- {name: {{ $own }}NOTICE_SECONDS, value: {{ $root.Values.shutdown.notice | quote }}}
- {name: {{ $own }}DRAIN_SECONDS, value: {{ $root.Values.shutdown.drain | quote }}}
{{- if .fact.http }}
- {name: CONSERJE_GATEWAY_HTTP_LISTEN, value: "0.0.0.0:8080"}
{{ include "conserje.secretVariable" (dict "name" "CONSERJE_GATEWAY_APP_SECRETS" "secret" (include "conserje.secretName" (dict "root" $root "kind" "metaApp")) "key" "appSecrets") }}
{{ include "conserje.secretVariable" (dict "name" "CONSERJE_GATEWAY_VERIFY_TOKEN" "secret" (include "conserje.secretName" (dict "root" $root "kind" "metaApp")) "key" "verifyToken") }}
{{- end }}
{{- range $callee := list "tenant" "booking" "messaging" }}
- {name: CONSERJE_TARGET_{{ upper $callee }}, value: {{ printf "dns:///%s:50051" (include "conserje.name" (dict "root" $root "workload" $callee)) | quote }}}
{{- end }}
{{- if $root.Values.mesh.insecure }}
- {name: CONSERJE_INSECURE, value: "true"}
{{- else }}
- {name: CONSERJE_TLS_FOLDER, value: /var/run/conserje/tls}
{{- end }}
- {name: CONSERJE_REFLECTION, value: {{ $root.Values.mesh.reflection | quote }}}
{{- with .fact.database }}
{{ include "conserje.secretVariable" (dict "name" (printf "%sDATABASE_URL" $own) "secret" (include "conserje.databaseSecret" (dict "root" $root "database" .)) "key" "databaseUrl") }}
{{- end }}
{{- if .fact.keys }}
- {name: {{ $own }}KEYS_FOLDER, value: /var/run/conserje/keys}
{{- end }}
{{- if .fact.media }}
- {name: {{ $own }}MEDIA_FOLDER, value: /var/lib/conserje/media}
{{- end }}
{{- if .fact.redis }}
{{ include "conserje.secretVariable" (dict "name" "CONSERJE_REDIS_URL" "secret" (include "conserje.secretName" (dict "root" $root "kind" "redis")) "key" "url") }}
{{- end }}
{{- if .fact.graph }}
{{ include "conserje.secretVariable" (dict "name" "CONSERJE_MESSAGING_GRAPH_ACCESS_TOKEN" "secret" (include "conserje.secretName" (dict "root" $root "kind" "graph")) "key" "accessToken") }}
{{- if $root.Values.dev.enabled }}
{{- $graph := printf "http://%s:8085" (include "conserje.name" (dict "root" $root "workload" "graph")) }}
- {name: CONSERJE_MESSAGING_GRAPH_BASE_URL, value: {{ $graph | quote }}}
- {name: CONSERJE_MESSAGING_MEDIA_ORIGINS, value: {{ $graph | quote }}}
{{- end }}
{{- end }}
{{- if $root.Values.telemetry.otlpEndpoint }}
- {name: CONSERJE_OTLP_ENDPOINT, value: {{ $root.Values.telemetry.otlpEndpoint | quote }}}
- {name: CONSERJE_TRACE_RATIO, value: {{ $root.Values.telemetry.traceRatio | quote }}}
{{- end }}
{{- range $name, $value := $root.Values.settings }}
{{- $other := false }}
{{- range $one := list "GATEWAY" "TENANT" "BOOKING" "MESSAGING" }}
{{- if and (ne $one $process) (hasPrefix (printf "%s_" $one) $name) }}{{ $other = true }}{{ end }}
{{- end }}
{{- if not $other }}
{{- /* To helm a number is a float, which `quote` alone writes as 1.6777216e+07. */}}
- {name: CONSERJE_{{ $name }}, value: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}}
{{- end }}
{{- end }}
{{- end }}
