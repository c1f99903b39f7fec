"""Who is behind an event: sessions, logins, hops, jobs, and what led from one to the other. Pure."""
