import {
  type KeyboardEvent,
  type ReactNode,
  useEffect,
  useId,
  useLayoutEffect,
  useRef,
  useState,
} from "react";
import { createPortal } from "react-dom";
import { Icon, type IconName } from "./icon.tsx";

export interface MenuItem {
  label: string;
  icon?: IconName;
  /** The keys that do the same, as shown to people. */
  keys?: string;
  danger?: boolean;
  disabled?: boolean;
  checked?: boolean;
  title?: string;
  onSelect: () => void;
}

interface Props {
  label: string;
  items: readonly (MenuItem | "separator")[];
  className?: string;
  children?: ReactNode;
}

/** A button that opens a menu; arrows, Home, End, Escape and Tab work as in any menu. */
export function Menu({ label, items, className, children }: Props) {
  const [open, setOpen] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();

  const close = (refocus: boolean) => {
    setOpen(false);
    if (refocus) button.current?.focus();
  };

  return (
    <>
      <button
        ref={button}
        type="button"
        className={className ?? "icon-button"}
        aria-label={children === undefined ? label : undefined}
        title={children === undefined ? label : undefined}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => {
          setOpen((now) => !now);
        }}
        onKeyDown={(event) => {
          if (event.key === "ArrowDown" && !open) {
            event.preventDefault();
            event.stopPropagation();
            setOpen(true);
          }
        }}
      >
        {children ?? <Icon name="more" />}
      </button>
      {open && <MenuList id={id} label={label} items={items} anchor={button} onClose={close} />}
    </>
  );
}

interface ListProps {
  id: string;
  label: string;
  items: Props["items"];
  anchor: { readonly current: HTMLElement | null };
  onClose: (refocus: boolean) => void;
}

function MenuList({ id, label, items, anchor, onClose }: ListProps) {
  const list = useRef<HTMLDivElement>(null);

  useLayoutEffect(() => {
    const element = list.current;
    const from = anchor.current?.getBoundingClientRect();
    if (!element || !from) return;
    const gap = 4;
    const { offsetWidth: width, offsetHeight: height } = element;
    const left = Math.min(from.right - width, window.innerWidth - width - gap);
    const below = from.bottom + gap + height <= window.innerHeight;
    element.style.left = `${Math.max(gap, left)}px`;
    element.style.top = `${below ? from.bottom + gap : Math.max(gap, from.top - gap - height)}px`;
    element.querySelector<HTMLElement>("[role^=menuitem]:not(:disabled)")?.focus();
  }, [anchor]);

  useEffect(() => {
    const onPointerDown = (event: PointerEvent) => {
      const target = event.target as Node;
      if (!list.current?.contains(target) && !anchor.current?.contains(target)) onClose(false);
    };
    const onScroll = () => {
      onClose(false);
    };
    document.addEventListener("pointerdown", onPointerDown);
    window.addEventListener("scroll", onScroll, { passive: true });
    window.addEventListener("resize", onScroll);
    return () => {
      document.removeEventListener("pointerdown", onPointerDown);
      window.removeEventListener("scroll", onScroll);
      window.removeEventListener("resize", onScroll);
    };
  }, [anchor, onClose]);

  const onKeyDown = (event: KeyboardEvent) => {
    event.stopPropagation(); // the page's own keys must not act on a menu's
    const entries = [
      ...(list.current?.querySelectorAll<HTMLElement>("[role^=menuitem]:not(:disabled)") ?? []),
    ];
    const index = entries.indexOf(document.activeElement as HTMLElement);
    const move = (to: number) => {
      event.preventDefault();
      entries.at(to % entries.length)?.focus();
    };
    if (event.key === "ArrowDown") move(index + 1);
    else if (event.key === "ArrowUp") move(index - 1);
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(-1);
    else if (event.key === "Escape" || event.key === "Tab") {
      if (event.key === "Escape") event.preventDefault();
      onClose(true);
    }
  };

  return createPortal(
    <div id={id} ref={list} role="menu" tabIndex={-1} aria-label={label} className="menu" onKeyDown={onKeyDown}>
      {items.map((item, index) =>
        item === "separator" ? (
          <div key={index} role="separator" className="menu-separator" />
        ) : (
          <button
            key={item.label}
            type="button"
            role={item.checked === undefined ? "menuitem" : "menuitemradio"}
            aria-checked={item.checked}
            className="menu-item"
            data-danger={item.danger}
            disabled={item.disabled}
            title={item.title}
            onClick={() => {
              onClose(true);
              item.onSelect();
            }}
          >
            <span className="menu-icon">
              {item.checked ? <Icon name="check" /> : item.icon && <Icon name={item.icon} />}
            </span>
            <span>{item.label}</span>
            {item.keys && <kbd aria-hidden="true">{item.keys}</kbd>}
          </button>
        ),
      )}
    </div>,
    document.body,
  );
}
