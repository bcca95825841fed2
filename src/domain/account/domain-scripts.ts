// Which scripts one label of a domain name may hold, so that no letter of one passes for a letter of another.

/** The scripts in common modern use (UAX 31, table 5), and the three sets that are written together (UTS 39, section 5.2, "highly restrictive"). */
const SETS: readonly string[] = [
  ...'Arab Armn Beng Bopo Cyrl Deva Ethi Geor Grek Gujr Guru Hang Hani Hebr Hira Kana Khmr Knda Laoo Latn Mlym Mymr Orya Sinh Taml Telu Thaa Thai Tibt'
    .split(' ')
    .map((script) => `\\p{scx=${script}}`),
  String.raw`\p{scx=Latn}\p{scx=Hani}\p{scx=Hira}\p{scx=Kana}`,
  String.raw`\p{scx=Latn}\p{scx=Hani}\p{scx=Bopo}`,
  String.raw`\p{scx=Latn}\p{scx=Hani}\p{scx=Hang}`,
];
const PATTERNS = SETS.map((scripts) => new RegExp(`^[${scripts}\\p{scx=Zyyy}\\p{scx=Zinh}]*$`, 'u'));
const ASCII = /^[\x20-\x7E]*$/;

/** Whether the label is of one script, or of those that are written together. Pure. */
export function isOfOneScript(label: string): boolean {
  return ASCII.test(label) || PATTERNS.some((pattern) => pattern.test(label));
}
