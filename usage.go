package main

// usageTemplate is the help of the program, with each flag of each command, or that of one command.
const usageTemplate = `{{with .Context.SelectedCommand -}}
usage: {{FormatCommandUsage $.App .}}

{{.Help|Wrap 0}}
{{with .Args -}}
Args:
{{.|ArgsToTwoColumns|FormatTwoColumns}}
{{end -}}
Flags:
{{.Flags|FlagsToTwoColumns|FormatTwoColumns}}
Flags of all commands:
{{$.App.Flags|FlagsToTwoColumns|FormatTwoColumns}}
{{.HelpLong -}}
{{else -}}
usage: {{FormatAppUsage .App}} <command> [<args> ...]

{{.App.Help|Wrap 0}}
Flags:
{{.App.Flags|FlagsToTwoColumns|FormatTwoColumns}}
Commands ("help <command>" has examples and exit statuses):
{{range .App.FlattenedCommands -}}
{{if not .Hidden}}  {{FormatCommandUsage $.App .}}
{{.Help|Wrap 4}}
{{with .Flags|FlagsToTwoColumns}}{{FormatTwoColumnsWithIndent . 4 2}}
{{end}}{{end}}{{end}}{{end}}`

// What the help of one command ends with.
const (
	serveHelp = `Examples:
  airflow_exporter --airflow.url=https://airflow.example.org
  airflow_exporter --config.file=config.yml --web.listen-address=:9100

Exit status:
  0  it was stopped, or the configuration is valid
  1  it could not serve, or the configuration is not valid
  2  the command line is wrong
`
	checkHelp = `Examples:
  airflow_exporter check --airflow.url=https://airflow.example.org
  airflow_exporter check --config.file=config.yml --output=json

Exit status:
  0  the exporter would get all that it needs
  1  something that it needs failed
  2  Airflow could not be asked, or the command line or the configuration is wrong
`
	explainHelp = `Examples:
  airflow_exporter explain --config.file=config.yml etl
  airflow_exporter explain --config.file=config.yml etl scheduled__2026-11-28T00:00:00+00:00 load

Exit status:
  0  nothing is wrong
  1  something is blocked or has failed
  2  Airflow could not be asked, has nothing of that name, or the command line or the configuration is wrong
`
)
