/** Which ConfigMaps, Secrets and claims a pod needs, and as whom it runs. Pure. */
import type { PodSpec } from "./pod";

export interface Use {
  kind: "ConfigMap" | "Secret" | "PersistentVolumeClaim" | "ServiceAccount";
  name: string;
}

interface Ref {
  name?: string;
}

interface LooseVolume {
  configMap?: Ref;
  secret?: { secretName?: string };
  persistentVolumeClaim?: { claimName?: string };
  projected?: { sources?: { configMap?: Ref; secret?: Ref }[] };
}

interface LooseContainer {
  env?: { valueFrom?: { configMapKeyRef?: Ref; secretKeyRef?: Ref } }[];
  envFrom?: { configMapRef?: Ref; secretRef?: Ref }[];
}

interface LooseSpec {
  containers?: LooseContainer[];
  initContainers?: LooseContainer[];
  volumes?: LooseVolume[];
  imagePullSecrets?: Ref[];
  serviceAccountName?: string;
}

export function usesOf(given: PodSpec): Use[] {
  const spec = given as unknown as LooseSpec;
  const found: Use[] = [];
  const add = (kind: Use["kind"], name: string | undefined) => name && found.push({ kind, name });
  for (const { configMap, secret, persistentVolumeClaim, projected } of spec.volumes ?? []) {
    add("ConfigMap", configMap?.name);
    add("Secret", secret?.secretName);
    add("PersistentVolumeClaim", persistentVolumeClaim?.claimName);
    for (const source of projected?.sources ?? []) {
      add("ConfigMap", source.configMap?.name);
      add("Secret", source.secret?.name);
    }
  }
  for (const { env = [], envFrom = [] } of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    for (const { valueFrom } of env) {
      add("ConfigMap", valueFrom?.configMapKeyRef?.name);
      add("Secret", valueFrom?.secretKeyRef?.name);
    }
    for (const { configMapRef, secretRef } of envFrom) {
      add("ConfigMap", configMapRef?.name);
      add("Secret", secretRef?.name);
    }
  }
  for (const { name } of spec.imagePullSecrets ?? []) add("Secret", name);
  add("ServiceAccount", spec.serviceAccountName);
  return found;
}
