// Runs of keys that lie side by side on a keyboard, on the layouts that most people type on.

type Key = { readonly layout: number; readonly row: number; readonly column: number };

// Rows from the digits down, without and with shift. Each row stands half a key to the right of the one above.
const LAYOUTS: ReadonlyArray<readonly string[]> = [
  ['1234567890-=', 'qwertyuiop[]\\', "asdfghjkl;'", 'zxcvbnm,./', '!@#$%^&*()_+'],
  ['1234567890ß´', 'qwertzuiopü+', 'asdfghjklöä#', 'yxcvbnm,.-', '!"§$%&/()=?`'],
  ['&é"\'(-è_çà)=', 'azertyuiop^$', 'qsdfghjklmù*', 'wxcvbn,;:!', '1234567890°+'],
  ['1234567890[]', "',.pyfgcrl/=", 'aoeuidhtns-', ';qjkxbmwvz', '!@#$%^&*(){}'],
  ['1234567890-=', 'йцукенгшщзхъ', 'фывапролджэ', 'ячсмитьбю.', '!"№;%:?*()_+'],
];
const SHIFTED_DIGITS = 4;

const KEYS = keysOfAll();

function keysOfAll(): ReadonlyMap<string, readonly Key[]> {
  const keys = new Map<string, Key[]>();
  for (const [layout, rows] of LAYOUTS.entries()) {
    for (const [index, characters] of rows.entries()) {
      const row = index === SHIFTED_DIGITS ? 0 : index;
      for (const [column, character] of [...characters].entries())
        keys.set(character, [...(keys.get(character) ?? []), { layout, row, column }]);
    }
  }
  return keys;
}

/** The walks that begin at `start`: where they may end, at four keys or more, and how often they have turned by then. Pure. */
export function walksFrom(
  characters: readonly string[],
  start: number,
): ReadonlyArray<{ readonly end: number; readonly turns: number }> {
  const ends: Array<{ end: number; turns: number }> = [];
  for (const first of KEYS.get(characters[start] ?? '') ?? []) {
    let [from, direction, turns]: [Key, string, number] = [first, '', 0];
    for (let at = start + 1; at < characters.length; at += 1) {
      const next = neighbour(from, characters[at] ?? '');
      if (next === undefined) break;
      const step = `${next.row - from.row} ${next.column - from.column}`;
      turns += direction === '' || step === direction ? 0 : 1;
      [from, direction] = [next, step];
      if (at - start >= 3) ends.push({ end: at + 1, turns });
    }
  }
  return ends;
}

function neighbour(from: Key, character: string): Key | undefined {
  return KEYS.get(character)?.find(({ layout, row, column }) => {
    if (layout !== from.layout) return false;
    const [down, right] = [row - from.row, column - from.column];
    if (down === 0) return Math.abs(right) === 1;
    return Math.abs(down) === 1 && (right === 0 || right === -down);
  });
}
