// Draws a text as a QR code (ISO/IEC 18004), as PNG and as SVG.

import { PNG } from 'pngjs';
import { encodeQR } from 'qr';

// With the quiet zone of four modules that the standard asks for.
const FORM = { ecc: 'medium', border: 4 } as const;
const MODULE_PIXELS = 6;
const GREYSCALE = { colorType: 0, inputColorType: 0, inputHasAlpha: false, bitDepth: 8 } as const;

/** Black on white, six pixels to a module. */
export function qrPng(text: string): Uint8Array {
  const rows = encodeQR(text, 'raw', { ...FORM, scale: MODULE_PIXELS });
  const png = new PNG({ ...GREYSCALE, width: rows.length, height: rows.length });
  png.data = Buffer.from(rows.flatMap((row) => row.map((isDark) => (isDark ? 0 : 255))));
  return PNG.sync.write(png, GREYSCALE);
}

/** Black on white, of any size. */
export function qrSvg(text: string): string {
  // The library leaves the ground out, and a dark page would swallow the code.
  const ground = '<rect width="100%" height="100%" fill="#fff"/>';
  return encodeQR(text, 'svg', FORM).replace(/^<svg[^>]*>/, `$&${ground}`);
}
