/** Hides the life of a read: loading, data, error, reload. */
import { useCallback, useEffect, useRef, useState } from "react";

export interface Query<Data> {
  data: Data | null;
  error: Error | null;
  reload: () => void;
}

/** Reads again whenever `key` changes. Old data stays shown while the same key reloads. */
export function useQuery<Data>(key: string, read: () => Promise<Data>): Query<Data> {
  const [state, setState] = useState<{ key: string; data: Data | null; error: Error | null }>({ key, data: null, error: null });
  const latest = useRef(read);
  latest.current = read;
  const turn = useRef(0);
  const load = useCallback(() => {
    const mine = ++turn.current;
    latest.current().then(
      (data) => mine === turn.current && setState({ key, data, error: null }),
      (error: Error) => mine === turn.current && setState((old) => ({ key, data: old.key === key ? old.data : null, error })),
    );
  }, [key]);
  useEffect(() => {
    load();
    return () => {
      turn.current += 1;
    };
  }, [load]);
  const mine = state.key === key;
  return { data: mine ? state.data : null, error: mine ? state.error : null, reload: load };
}

interface Page<Item> {
  items: readonly Item[];
  next_cursor?: string | null;
}

export interface Pages<Item> {
  items: readonly Item[] | null;
  error: Error | null;
  /** Reads what follows; null where that is all. */
  more: (() => Promise<void>) | null;
  reload: () => void;
}

/** A list that comes page by page. */
export function usePages<Item>(key: string, read: (cursor?: string) => Promise<Page<Item>>): Pages<Item> {
  const first = useQuery(key, () => read());
  const [rest, setRest] = useState<{ after: Page<Item> | null; items: readonly Item[]; next: string | null }>({ after: null, items: [], next: null });
  const known = rest.after === first.data ? rest : { after: first.data, items: [], next: first.data?.next_cursor ?? null };
  const { next } = known;
  const more = async (cursor: string) => {
    const page = await read(cursor);
    setRest({ after: known.after, items: [...known.items, ...page.items], next: page.next_cursor ?? null });
  };
  return {
    items: first.data === null ? null : [...first.data.items, ...known.items],
    error: first.error,
    more: next === null ? null : () => more(next),
    reload: first.reload,
  };
}
