{{- /* The reference of an image: its name, and what this release has after it, a tag or a digest. */ -}}
{{- define "ratchet.image" -}}
{{- $images := (index . 0).Values.images -}}
{{- $name := index . 1 -}}
{{- with $images.registry }}{{ . }}/{{ end }}{{ $name -}}
{{- if and $images.tag (hasPrefix "ratchet/" $name) }}:{{ $images.tag }}{{ else }}{{ index . 2 }}{{ end -}}
{{- end }}
{{- /* Keys of a ConfigMap; a key that is a value of its own is refused, because it would be there twice. */ -}}
{{- define "ratchet.rest" -}}
{{- $held := splitList " " (index . 1) -}}
{{- range $key, $value := index . 0 }}
{{- if has $key $held }}{{ fail (printf "settings.%s is a value of its own: set that one" $key) }}{{ end }}
  {{ $key }}: {{ ternary $value (toJson $value) (kindIs "string" $value) | quote }}
{{- end -}}
{{- end }}
