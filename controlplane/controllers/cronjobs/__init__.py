"""CronJobs: `plan` decides (pure), `controller` reads and writes."""
