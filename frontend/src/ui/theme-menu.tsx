import { useTheme } from "../app/theme.tsx";
import { Icon } from "./icon.tsx";
import { Menu } from "./menu.tsx";

export function ThemeMenu() {
  const { choice, theme, setChoice } = useTheme();
  return (
    <Menu
      label="Colours"
      className="icon-button theme-button"
      items={(["system", "light", "dark"] as const).map((value) => ({
        label: { system: "As the system", light: "Light", dark: "Dark" }[value],
        checked: choice === value,
        onSelect: () => {
          setChoice(value);
        },
      }))}
    >
      <Icon name={theme === "dark" ? "moon" : "sun"} />
      <span className="visually-hidden">Colours</span>
    </Menu>
  );
}
