{{/* The labels of everything. */}}
{{- define "wazelet.labels" -}}
app.kubernetes.io/name: wazelet
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{/* The labels that select the installer's pods. */}}
{{- define "wazelet.selector" -}}
app.kubernetes.io/name: wazelet
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The name of everything that belongs to the release. */}}
{{- define "wazelet.name" -}}
{{- if contains "wazelet" .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-wazelet" .Release.Name | trunc 40 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "wazelet.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
