const mark = '\ufeff';

/** A text without the mark of its byte order, which some editors put first, and which is no part of what the text says. */
export function withoutMark(text: string): string {
  return text.startsWith(mark) ? text.slice(mark.length) : text;
}

/** Changes a text by what it says; a mark of its byte order stays where it is. */
export function keepingMark(text: string, change: (bare: string) => string): string {
  const bare = withoutMark(text);
  return text.slice(0, text.length - bare.length) + change(bare);
}
