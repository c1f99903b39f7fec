"""Who may send: tokens, claims, enrolments, renewals."""
