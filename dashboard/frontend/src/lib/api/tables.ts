/** The columns that `kubectl get` would print, as the server makes them: for kinds the page has no class for. */
import { request } from "./client";

export interface TableColumn {
  name: string;
  type: string;
  format: string;
  priority: number;
}

export interface Table {
  columnDefinitions: TableColumn[];
  rows: { cells: unknown[]; object: { metadata: { uid: string } } }[];
}

const AS_TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";

export function get(path: string, signal?: AbortSignal): Promise<Table> {
  return request<Table>(path, { accept: AS_TABLE, ...(signal && { signal }) });
}
