/**
 * The names in a list of images: one on a line; what follows a `#` at its beginning or after a blank is a comment, and
 * lines of blanks alone are none.
 */
export function readImageList(text: string): string[] {
  return text
    .replace(/^\u{feff}/u, '')
    .split(/\r\n|\r|\n/)
    .map((line) => line.replace(/(?:^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
}
