// Characters that are not seen: where a script or an emoji needs one, and where it only makes two texts look alike.

// Controls, what reorders text (CVE-2021-42574), what is ignored when shown, the joiners and selectors among it, and what is no character.
const INVISIBLE =
  /[\p{Cc}\p{Bidi_Control}\p{Default_Ignorable_Code_Point}\p{Zl}\p{Zp}\p{Noncharacter_Code_Point}\uFFF9-\uFFFB]/u;
const ALL_INVISIBLE = new RegExp(INVISIBLE.source, 'gu');
/** Something with a shape: a letter, a digit, a sign, but no mark alone and not the blank of Braille. */
const VISIBLE = /[[\p{L}\p{N}\p{P}\p{S}]--[\u2800\p{Default_Ignorable_Code_Point}]]/v;

/** Emoji as sequences (UTS 51), also without the selectors that some keyboards leave out. */
const EMOJI =
  /\p{RGI_Emoji}|\p{Extended_Pictographic}[\p{Emoji_Modifier}\uFE0E\uFE0F]*(?:\u200D\p{Extended_Pictographic}[\p{Emoji_Modifier}\uFE0E\uFE0F]*)*|[0-9#*]\uFE0F?\u20E3/gv;

/** Letters whose shapes depend on their neighbours: RFC 5892, appendix A.1, asks for Joining_Type, which these scripts have. */
const JOINING = String.raw`[[\p{L}]&&[\p{scx=Arab}\p{scx=Syrc}\p{scx=Mand}\p{scx=Mong}\p{scx=Nkoo}\p{scx=Rohg}\p{scx=Adlm}]]`;
const BETWEEN_JOINING = new RegExp(String.raw`(?<=${JOINING}\p{M}*)\u200C(?=\p{M}*${JOINING})`, 'gv');
/** A joiner of either kind behind a mark: which may be a virama. */
const BEHIND_MARK = /(\p{M})[\u200C\u200D]/gu;
/** Selectors of a variant: ideographs, Mongolian, Phags-pa and Myanmar have some (Unicode, StandardizedVariants and IVD). */
const VARIANT = /(?<=[\p{scx=Hani}\p{scx=Mong}\p{scx=Phag}\p{scx=Mymr}])(?:\p{Variation_Selector}|\u180E)/gv;

/** Whether the text holds a character that is not seen, of any kind. Pure. */
export function holdsInvisible(text: string): boolean {
  return INVISIBLE.test(text);
}

/** Whether the text holds one where no script and no emoji needs it. Joiners by RFC 5892, appendix A.1 and A.2. Pure. */
export function holdsStrayInvisible(text: string): boolean {
  if (!INVISIBLE.test(text)) return false;
  const rest = text
    .replace(EMOJI, '\uFFFC')
    .replace(BETWEEN_JOINING, '')
    .replace(BEHIND_MARK, (pair, mark: string) => (isVirama(mark) ? mark : pair))
    .replace(VARIANT, '');
  return INVISIBLE.test(rest);
}

/** Whether anything of the text can be seen. Pure. */
export function isVisible(text: string): boolean {
  return VISIBLE.test(text.replace(ALL_INVISIBLE, ''));
}

// Canonical_Combining_Class 9, which no regular expression asks for: normalization puts a mark of a lower class before one of a higher, and a virama
// goes behind a mark of class 8 (U+3099) and before one of class 10 (U+05B0).
function isVirama(mark: string): boolean {
  return (
    `${mark}\u3099`.normalize('NFD') !== `${mark}\u3099` && `\u05B0${mark}`.normalize('NFD').startsWith(mark)
  );
}
