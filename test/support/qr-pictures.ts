// Reads QR codes back from pictures as a phone does.

import { PNG } from 'pngjs';
import { decodeQR } from 'qr/decode.js';

/** The text in a PNG. */
export function textOfPng(bytes: Uint8Array): string {
  const { width, height, data } = PNG.sync.read(Buffer.from(bytes));
  return decodeQR({ width, height, data });
}

/** The text in an SVG whose path is made of squares of one unit, each begun by a move. */
export function textOfSvg(svg: string): string {
  const size = Number(/viewBox="0 0 (\d+) \d+"/.exec(svg)?.[1]);
  const dark = new Set(squares(svg).map(([x, y]) => `${x},${y}`));
  const scale = 4;
  const side = size * scale;
  const data = new Uint8Array(side * side * 4).fill(255);
  for (let pixel = 0; pixel < side * side; pixel += 1) {
    const [x, y] = [Math.floor((pixel % side) / scale), Math.floor(pixel / side / scale)];
    if (dark.has(`${x},${y}`)) data.fill(0, pixel * 4, pixel * 4 + 3);
  }
  return decodeQR({ width: side, height: side, data });
}

function squares(svg: string): ReadonlyArray<readonly [number, number]> {
  let [x, y] = [0, 0];
  return [...svg.matchAll(/([Mm])(-?\d+)[ ,]?(-?\d+)/g)].map(([, command, first, second]) => {
    const [dx, dy] = [Number(first), Number(second)];
    [x, y] = command === 'M' ? [dx, dy] : [x + dx, y + dy];
    return [x, y] as const;
  });
}
