import {
  SetupError,
  type SetupRegistry,
  type SetupShape,
  type SetupTarget,
  type SetupView,
  setupShapes,
} from './target.ts';

/**
 * The shape that a target is set up in: the one that was asked for, or the best that there is.
 * @throws SetupError UNKNOWN_SHAPE when it does not understand that, NO_DOMAIN when there are no virtual hosts
 */
export function shapeFor({ name, shapes }: Pick<SetupTarget, 'name' | 'shapes'>, view: SetupView): SetupShape {
  const { shape, domain } = view;
  if (shape === undefined) return shapes.find((each) => each !== 'vhost' || domain !== undefined) ?? noDomain();
  if (!shapes.includes(shape)) {
    throw new SetupError('UNKNOWN_SHAPE', `Cannot set up ${name} by ${shape}: it understands ${shapes.join(', ')}`);
  }
  return shape === 'vhost' && domain === undefined ? noDomain() : shape;
}

/**
 * Where a registry is in the cache, for a client that puts `/v2/` after it.
 * @throws SetupError NO_DOMAIN
 */
export function mirrorUrl(view: SetupView, registry: Pick<SetupRegistry, 'alias'>, shape: SetupShape): string {
  if (shape === 'vhost') return vhostUrl(view, registry);
  return shape === 'alias' ? `${view.address}/${registry.alias}` : view.address;
}

/**
 * Where a registry is in the cache, for a client that takes a path as it is, with `/v2` in it.
 * @throws SetupError NO_DOMAIN
 */
export function verbatimUrl(view: SetupView, registry: Pick<SetupRegistry, 'alias'>, shape: SetupShape): string {
  if (shape === 'alias') return `${view.address}/v2/${registry.alias}`;
  return mirrorUrl(view, registry, shape);
}

function vhostUrl({ address, domain }: SetupView, { alias }: Pick<SetupRegistry, 'alias'>): string {
  const [, scheme = '', port = ''] = /^(https?:\/\/).*?(:\d+)?$/.exec(address) ?? [];
  return `${scheme}${alias}.${domain ?? noDomain()}${port}`;
}

function noDomain(): never {
  throw new SetupError(
    'NO_DOMAIN',
    'Cannot use virtual hosts: no domain is configured; give --domain, below which every registry has a host here',
  );
}

/**
 * The shape of a name.
 * @throws SetupError UNKNOWN_SHAPE
 */
export function parseShape(text: string | undefined): SetupShape | undefined {
  const shape = setupShapes.find((each) => each === text);
  if (text === undefined || shape !== undefined) return shape;
  throw new SetupError(
    'UNKNOWN_SHAPE',
    `Cannot use the shape "${text.slice(0, 100)}": there are ${setupShapes.join(', ')}`,
  );
}
