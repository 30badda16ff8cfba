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
