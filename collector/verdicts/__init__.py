"""What people made of findings: triage and suppressions."""
