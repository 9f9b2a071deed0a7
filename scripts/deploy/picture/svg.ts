const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Text as it may stand in XML. */
export function escapeXml(text: string): string {
  return text.replaceAll(/[&<>"]/g, (character) => entities[character]!);
}

/** An element of SVG; `content` is XML already. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>>,
  content?: string,
): string {
  const written = Object.entries(attributes).flatMap(([key, value]) => {
    if (value === undefined) return [];
    return [` ${key}="${typeof value === 'number' ? shortNumber(value) : escapeXml(value)}"`];
  });
  const begin = `<${name}${written.join('')}`;
  return content === undefined ? `${begin}/>` : `${begin}>${content}</${name}>`;
}

/** A line of text. */
export function textAt(x: number, y: number, className: string, text: string, anchor?: 'middle' | 'end'): string {
  return element('text', { x, y, class: className, 'text-anchor': anchor }, escapeXml(text));
}

/** A number with no more digits than can be seen. */
export function shortNumber(value: number): string {
  return `${Number(value.toFixed(1))}`;
}
