/** Bytes and texts in Base64, as Secrets and binaryData have them. Pure. */

export function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
}

/** Null where it is not UTF-8 text, or has what no text has. */
export function textOf(base64: string): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytesOf(base64));
    // eslint-disable-next-line no-control-regex
    return /[\0-\x08\x0e-\x1f]/.test(text) ? null : text;
  } catch {
    return null;
  }
}

export function encode(text: string): string {
  return btoa(Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join(""));
}
