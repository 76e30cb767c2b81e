{{- define "ringway.name" -}}
{{- .Values.fullnameOverride | default .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "ringway.chart" -}}
{{- printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- /* Takes a list: context, component. */ -}}
{{- define "ringway.selector" -}}
app.kubernetes.io/name: ringway
app.kubernetes.io/instance: {{ include "ringway.name" (index . 0) }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- /* Labels of pods: none that changes with the chart alone, or every upgrade would replace them. Takes a list: context, component. */ -}}
{{- define "ringway.podLabels" -}}
{{- $ := index . 0 -}}
{{ include "ringway.selector" . }}
app.kubernetes.io/part-of: ringway
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
{{- if has (index . 1) (list "operator" "dataplane") }}
ringway.dev/metrics: "true"
{{- end }}
{{- with mergeOverwrite (deepCopy $.Values.commonLabels) ((index $.Values (index . 1)).podLabels | default dict) }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* Labels and annotations of an object. Takes a list: context, component, annotations of this object alone, its labels. */ -}}
{{- define "ringway.metadata" -}}
{{- $ := index . 0 -}}
labels:
  {{- include "ringway.selector" . | nindent 2 }}
  app.kubernetes.io/part-of: ringway
  app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
  app.kubernetes.io/managed-by: {{ $.Release.Service }}
  helm.sh/chart: {{ include "ringway.chart" $ }}
  {{- with mergeOverwrite (deepCopy $.Values.commonLabels) (gt (len .) 3 | ternary (last .) dict) }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with mergeOverwrite (deepCopy $.Values.commonAnnotations) (index . 2 | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Takes a list: context, image. */ -}}
{{- define "ringway.image" -}}
{{- $ := index . 0 }}
{{- $image := index . 1 }}
{{- $registry := $.Values.global.imageRegistry | default $image.registry }}
{{- $name := $image.repository }}
{{- if $registry }}{{ $name = printf "%s/%s" (trimSuffix "/" $registry) $name }}{{ end }}
{{- if $image.digest }}
{{- printf "%s@%s" $name $image.digest }}
{{- else }}
{{- printf "%s:%s" $name ($image.tag | default $.Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- define "ringway.pullSecrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ if kindIs "map" . }}{{ .name }}{{ else }}{{ . }}{{ end }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "ringway.serviceAccount" -}}
{{- $ := index . 0 }}
{{- $component := index . 1 }}
{{- (index $.Values $component).serviceAccount.name | default (printf "%s-%s" (include "ringway.name" $) $component) }}
{{- end }}

{{- define "ringway.openshift" -}}
{{- if or (eq .Values.openshift "Enabled") (and (eq .Values.openshift "Auto") (.Capabilities.APIVersions.Has "security.openshift.io/v1")) }}true{{ end }}
{{- end }}

{{- /* Takes a list: context, pod security context. */ -}}
{{- define "ringway.podSecurityContext" -}}
{{- $context := index . 1 }}
{{- if include "ringway.openshift" (index . 0) }}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" }}
{{- end }}
{{- toYaml $context }}
{{- end }}

{{- /* Takes a list: context, component. Where a pod may run. */ -}}
{{- define "ringway.scheduling" -}}
{{- $ := index . 0 }}
{{- $component := index . 1 }}
{{- $values := index $.Values $component }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- if $values.topologySpreadConstraints }}
  {{- toYaml $values.topologySpreadConstraints | nindent 2 }}
  {{- else }}
  {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "ringway.selector" (list $ $component) | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
  {{- end }}
{{- end }}

{{- /* Takes a list: probe, path. */ -}}
{{- define "ringway.probe" -}}
httpGet: { path: {{ index . 1 }}, port: admin }
{{- toYaml (index . 0) | nindent 0 }}
{{- end }}

{{- define "ringway.routeNamespaces" -}}
{{- toJson (.Values.routeNamespaces | default (list .Release.Namespace) | uniq | sortAlpha) }}
{{- end }}

{{- define "ringway.secretNamespaces" -}}
{{- toJson (.Values.secretNamespaces | default (list .Release.Namespace) | uniq | sortAlpha) }}
{{- end }}

{{- define "ringway.sessionKeysSecret" -}}
{{- .Values.sessionKeys.existingSecret | default (printf "%s-session-keys" (include "ringway.name" .)) }}
{{- end }}

{{- /* More than one pod, so that one may go. */ -}}
{{- define "ringway.dataplane.several" -}}
{{- $scaling := .Values.dataplane.autoscaling }}
{{- if gt (int (ternary $scaling.minReplicas .Values.dataplane.replicas $scaling.enabled)) 1 }}true{{ end }}
{{- end }}

{{- define "ringway.url" -}}
{{- $listener := .Values.defaultListener }}
{{- $scheme := ternary "https" "http" (ne $listener.tlsSecret "") }}
{{- $usual := ternary 443 80 (eq $scheme "https") }}
{{- $port := ternary "" (printf ":%d" (int $listener.port)) (eq (int $listener.port) $usual) }}
{{- printf "%s://%s.%s.svc.%s%s" $scheme (include "ringway.name" .) .Release.Namespace .Values.clusterDomain $port }}
{{- end }}

{{- /* What the schema cannot state: values that must fit each other. */ -}}
{{- define "ringway.check" -}}
{{- $ports := dict }}
{{- $targets := dict }}
{{- $names := dict }}
{{- range .Values.dataplane.service.ports }}
{{- if hasKey $ports (toString .port) }}{{ fail (printf "dataplane.service.ports: port %d stands twice" (int .port)) }}{{ end }}
{{- if hasKey $targets (toString .containerPort) }}{{ fail (printf "dataplane.service.ports: containerPort %d stands twice" (int .containerPort)) }}{{ end }}
{{- if hasKey $names .name }}{{ fail (printf "dataplane.service.ports: name %s stands twice" .name) }}{{ end }}
{{- $_ := set $ports (toString .port) true }}
{{- $_ := set $targets (toString .containerPort) true }}
{{- $_ := set $names .name true }}
{{- end }}
{{- if not (hasKey $ports (toString .Values.defaultListener.port)) }}
{{- fail (printf "defaultListener.port %d is none of dataplane.service.ports" (int .Values.defaultListener.port)) }}
{{- end }}
{{- if .Values.defaultListener.tlsSecret }}
{{- $namespaces := include "ringway.secretNamespaces" . | fromJsonArray }}
{{- if not (or (has "*" $namespaces) (has .Release.Namespace $namespaces)) }}
{{- fail (printf "defaultListener.tlsSecret: it is in %s, which secretNamespaces does not name" .Release.Namespace) }}
{{- end }}
{{- end }}
{{- with .Values.dataplane.autoscaling }}
{{- if and .enabled (lt (int .maxReplicas) (int .minReplicas)) }}{{ fail "dataplane.autoscaling: maxReplicas is below minReplicas" }}{{ end }}
{{- if and .enabled (not .targetCPUUtilizationPercentage) (not .metrics) }}{{ fail "dataplane.autoscaling: nothing to scale by: set targetCPUUtilizationPercentage or metrics" }}{{ end }}
{{- end }}
{{- if .Values.demo.enabled }}
{{- $namespaces := include "ringway.routeNamespaces" . | fromJsonArray }}
{{- if not (or (has "*" $namespaces) (has .Release.Namespace $namespaces)) }}
{{- fail (printf "demo.enabled: its route is in %s, which routeNamespaces does not name" .Release.Namespace) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* The rules of the install, as the operator reads them. */ -}}
{{- define "ringway.operatorConfig" -}}
namespace: {{ .Release.Namespace }}
name: {{ include "ringway.name" . }}
serviceAccount: {{ include "ringway.serviceAccount" (list . "operator") }}
routeNamespaces: {{ include "ringway.routeNamespaces" . }}
secretNamespaces: {{ include "ringway.secretNamespaces" . }}
allowedHosts: {{ toJson .Values.allowedHosts }}
clusterDomain: {{ .Values.clusterDomain }}
ports:
  {{- range .Values.dataplane.service.ports }}
  - {{ int .port }}
  {{- end }}
defaultListener:
  port: {{ int .Values.defaultListener.port }}
  {{- with .Values.defaultListener.tlsSecret }}
  tlsSecret: {{ . }}
  {{- end }}
  {{- with .Values.defaultListener.clientCAConfigMap }}
  clientCaConfigMap: {{ . }}
  {{- end }}
{{- end }}

{{- define "ringway.egress.dns" -}}
- ports:
    {{- range .Values.networkPolicy.dns.ports }}
    - { port: {{ int . }}, protocol: UDP }
    - { port: {{ int . }}, protocol: TCP }
    {{- end }}
  {{- with .Values.networkPolicy.dns.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- define "ringway.egress.apiServer" -}}
# The API server.
- ports:
    {{- range .Values.networkPolicy.apiServer.ports }}
    - { port: {{ int . }}, protocol: TCP }
    {{- end }}
  {{- with .Values.networkPolicy.apiServer.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{- /* A pod that runs the command line once. Takes a list: context, name, arguments; and a ServiceAccount, when the API server is asked. */ -}}
{{- define "ringway.test" -}}
{{- $ := index . 0 }}
{{- $account := "" }}
{{- if gt (len .) 3 }}{{ $account = index . 3 }}{{ end }}
apiVersion: v1
kind: Pod
metadata:
  name: {{ include "ringway.name" $ }}-test-{{ index . 1 }}
  namespace: {{ $.Release.Namespace }}
  {{- include "ringway.metadata" (list $ "test" (dict "helm.sh/hook" "test" "helm.sh/hook-delete-policy" "before-hook-creation")) | nindent 2 }}
spec:
  restartPolicy: Never
  {{- with $account }}
  serviceAccountName: {{ . }}
  {{- end }}
  automountServiceAccountToken: {{ ne $account "" }}
  enableServiceLinks: false
  {{- with include "ringway.pullSecrets" $ }}
  {{- trim . | nindent 2 }}
  {{- end }}
  securityContext:
    {{- include "ringway.podSecurityContext" (list $ $.Values.operator.podSecurityContext) | nindent 4 }}
  containers:
    - name: test
      image: {{ include "ringway.image" (list $ $.Values.cli.image) | quote }}
      imagePullPolicy: {{ $.Values.cli.image.pullPolicy }}
      args:
        {{- toYaml (index . 2) | nindent 8 }}
        {{- if and $.Values.tests.caConfigMap (not $account) }}
        - --ca-cert=/etc/ringway/ca/ca.crt
        {{- end }}
      resources:
        requests: { cpu: 10m, memory: 32Mi }
        limits: { memory: 256Mi }
      securityContext:
        {{- toYaml $.Values.operator.securityContext | nindent 8 }}
      {{- if and $.Values.tests.caConfigMap (not $account) }}
      volumeMounts:
        - { name: ca, mountPath: /etc/ringway/ca, readOnly: true }
      {{- end }}
  {{- if and $.Values.tests.caConfigMap (not $account) }}
  volumes:
    - name: ca
      configMap:
        name: {{ $.Values.tests.caConfigMap }}
  {{- end }}
{{- end }}

{{- define "ringway.monitored" -}}
matchLabels:
  app.kubernetes.io/name: ringway
  app.kubernetes.io/instance: {{ include "ringway.name" . }}
  ringway.dev/metrics: "true"
{{- end }}

{{- define "ringway.relabelings" -}}
relabelings:
  - sourceLabels: [__meta_kubernetes_pod_label_app_kubernetes_io_component]
    targetLabel: component
{{- end }}
