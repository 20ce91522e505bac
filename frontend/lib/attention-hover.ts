/** What the pointer is on, shared by the map, the text and the read-out without drawing the page anew. */

export interface Look {
  /** The token that looks; null where only the other one is known. */
  row: number | null;
  /** The token that is looked at. */
  column: number | null;
}

type Watcher = (look: Look | null) => void;

/** Tells its watchers at most once in a frame, and only of changes. */
export class LookStore {
  private now: Look | null = null;
  private told: Look | null = null;
  private frame = 0;
  private readonly watchers = new Set<Watcher>();

  current = (): Look | null => this.now;

  /** The look that watchers know of; it is one object until it changes. */
  snapshot = (): Look | null => this.told;

  set(look: Look | null): void {
    this.now = look;
    if (!this.frame) this.frame = requestAnimationFrame(this.tell);
  }

  watch = (watcher: Watcher): (() => void) => {
    this.watchers.add(watcher);
    return () => void this.watchers.delete(watcher);
  };

  private tell = (): void => {
    this.frame = 0;
    if (same(this.now, this.told)) return;
    this.told = this.now;
    for (const watcher of [...this.watchers]) watcher(this.told);
  };
}

const same = (a: Look | null, b: Look | null): boolean =>
  a === b || (a !== null && b !== null && a.row === b.row && a.column === b.column);

/** Watches for readers: what is read changes no more often than the eye can follow. */
export function watchSlowly(store: LookStore, milliseconds: number): (changed: () => void) => () => void {
  return (changed) => {
    let timer: ReturnType<typeof setTimeout> | null = null;
    const stop = store.watch(() => {
      timer ??= setTimeout(() => {
        timer = null;
        changed();
      }, milliseconds);
    });
    return () => {
      if (timer) clearTimeout(timer);
      stop();
    };
  };
}
