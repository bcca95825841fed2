// How an email looks: the same words as plain text and as HTML.

import { htmlEscape } from 'escape-goat';

/** What an email says: its paragraphs, in plain words, and at most one link. */
export type EmailText = {
  readonly subject: string;
  /** Undefined for "Hello," alone. */
  readonly name?: string | undefined;
  readonly before: readonly string[];
  readonly link?: { readonly label: string; readonly url: string };
  readonly after?: readonly string[];
};

/** An email ready to send. */
export type RenderedMail = { readonly subject: string; readonly text: string; readonly html: string };

/** The email in both forms. */
export function layOut(words: EmailText): RenderedMail {
  const { subject, name, before, link, after = [] } = words;
  const opening = name === undefined ? 'Hello,' : `Hello ${name},`;
  const texts = [opening, ...before, ...(link === undefined ? [] : [link.url]), ...after];
  const blocks = [
    ...[opening, ...before].map(paragraph),
    ...(link === undefined ? [] : linkBlocks(link)),
    ...after.map(paragraph),
  ];
  return { subject, text: `${texts.map(oneLine).join('\n\n')}\n`, html: page(subject, blocks) };
}

// Whatever a paragraph holds, it stays one: no value begins a paragraph of its own.
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ');
}

function paragraph(text: string): string {
  return htmlEscape`<p>${oneLine(text)}</p>`;
}

function linkBlocks({ label, url }: { readonly label: string; readonly url: string }): string[] {
  return [
    htmlEscape`<p><a href="${url}" style="display:inline-block;padding:12px 20px;border-radius:6px;background:#1d4ed8;color:#ffffff;font-weight:bold;text-decoration:none">${label}</a></p>`,
    '<p>If that does not work, copy this address into your browser:</p>',
    htmlEscape`<p style="word-break:break-all">${url}</p>`,
  ];
}

function page(title: string, blocks: readonly string[]): string {
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    htmlEscape`<title>${title}</title>`,
    '</head>',
    '<body style="margin:0;padding:24px;background:#ffffff;color:#111827;font:16px/1.5 sans-serif">',
    '<main style="max-width:560px;margin:0 auto">',
    htmlEscape`<h1 style="font-size:20px">${title}</h1>`,
    ...blocks,
    '</main>',
    '</body>',
    '</html>',
    '',
  ].join('\n');
}
