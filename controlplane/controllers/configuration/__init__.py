"""One revision of everything: pods of a workload use the ConfigMaps and Secrets as they were when their revision was made."""
