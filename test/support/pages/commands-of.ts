/** What a block of a page of the documentation says: commands, each with what it prints. */
export function commandsOf(block: string): { readonly command: string; readonly printed: string }[] {
  return block
    .split(/^\$ /m)
    .slice(1)
    .map((text) => {
      const end = text.indexOf('\n');
      return { command: text.slice(0, end), printed: text.slice(end + 1) };
    });
}
