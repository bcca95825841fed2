// A UUID's text from its bytes, and back.

/** The canonical text of 16 bytes, whatever version they claim: tokens may come from any client, and the database will know them or not. */
export function uuidFromBytes(bytes: Buffer): string {
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join(
    '-',
  );
}

/** The 16 bytes of a canonical UUID text. */
export function uuidToBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll('-', ''), 'hex');
}
