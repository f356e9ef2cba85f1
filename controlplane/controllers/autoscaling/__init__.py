"""HorizontalPodAutoscalers: `usage` counts what the metrics ask for, `pace` holds it back, `plan` decides (all pure),
`controller` reads and writes."""
