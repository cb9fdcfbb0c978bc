/** What the wheel keeps in an item; only the wheel changes it. */
export interface WheelItem {
  lastTick: number;
  slot: number;
}

/**
 * A timing wheel that finds items idle for `span` ticks. One timer turns it for all items; a touch costs one assignment, because a
 * touched item only moves when its old slot comes up.
 */
export interface KeepAliveWheel<T extends WheelItem> {
  add(item: T): void;
  remove(item: T): void;
  touch(item: T): void;
  /** Advances by one tick; returns the items that are due. */
  advance(): T[];
}

export function createKeepAliveWheel<T extends WheelItem>(span: number): KeepAliveWheel<T> {
  const slots = Array.from({ length: span + 1 }, () => new Set<T>());
  let tick = 0;

  function place(item: T, dueTick: number): void {
    item.slot = dueTick % slots.length;
    slots[item.slot]?.add(item);
  }

  return {
    add(item) {
      item.lastTick = tick;
      place(item, tick + span);
    },
    remove(item) {
      slots[item.slot]?.delete(item);
    },
    touch(item) {
      item.lastTick = tick;
    },
    advance() {
      tick += 1;
      const slot = tick % slots.length;
      const candidates = slots[slot];
      if (candidates === undefined || candidates.size === 0) return [];
      slots[slot] = new Set();
      const due: T[] = [];
      for (const item of candidates) {
        const isDue = item.lastTick + span <= tick;
        if (isDue) due.push(item);
        place(item, isDue ? tick + span : item.lastTick + span);
      }
      return due;
    },
  };
}
