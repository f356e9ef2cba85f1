"""Jobs: `plan` decides (pure), `failures` and `success` apply the policies, `controller` reads and writes."""
