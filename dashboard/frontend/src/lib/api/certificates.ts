/** When the certificates in the cluster's TLS Secrets end; the API tells it without their keys. */
import { request } from "./client";

export interface Certificate {
  metadata: { name: string; namespace: string; uid: string };
  status: { notBefore?: string; notAfter?: string; hosts?: string[]; problem?: string };
}

export async function list(signal?: AbortSignal): Promise<Certificate[]> {
  const path = "/apis/slipway.dev/v1/certificates";
  return (await request<{ items: Certificate[] }>(path, signal ? { signal } : {})).items;
}
