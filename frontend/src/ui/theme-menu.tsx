import { useTheme } from "../app/theme.tsx";
import { Icon } from "./icon.tsx";
import { Menu, type MenuItem } from "./menu.tsx";

/** The choice of colours, for a menu. */
export function useThemeItems(): MenuItem[] {
  const { choice, setChoice } = useTheme();
  return (["system", "light", "dark"] as const).map((value) => ({
    label: { system: "Colours as the system", light: "Light colours", dark: "Dark colours" }[value],
    checked: choice === value,
    onSelect: () => {
      setChoice(value);
    },
  }));
}

export function ThemeMenu() {
  const { theme } = useTheme();
  return (
    <Menu label="Colours" className="icon-button theme-button" items={useThemeItems()}>
      <Icon name={theme === "dark" ? "moon" : "sun"} />
      <span className="visually-hidden">Colours</span>
    </Menu>
  );
}
