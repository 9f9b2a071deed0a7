/**
 * Parses the URL of a registry. It may have a path, in front of `/v2/`.
 * @throws Error that says what is wrong with it, and never repeats its credentials
 */
export function parseRegistryUrl(text: string): URL {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw new Error('expected an http:// or https:// URL');
  }
  if (url.username !== '' || url.password !== '') {
    throw new Error('a URL must not carry credentials; give them as username and password');
  }
  if (url.search !== '' || url.hash !== '' || /[?#]/.test(text)) {
    throw new Error('a URL must not have a query or a fragment; leave them away');
  }
  if (/\/v2\/?$/.test(url.pathname)) throw new Error('/v2/ is added to the URL; leave it away');
  return url;
}
