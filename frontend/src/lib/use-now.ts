import { useEffect, useState } from "react";

/** The time in ms, renewed every `interval` ms while `active`. */
export function useNow(interval: number, active = true): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (!active) return;
    const tick = () => {
      setNow(Date.now());
    };
    tick();
    const timer = setInterval(tick, interval);
    return () => {
      clearInterval(timer);
    };
  }, [interval, active]);
  return now;
}
