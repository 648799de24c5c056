import type { ButtonHTMLAttributes, ReactNode } from "react";
import styles from "./Button.module.css";

interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  tone?: "primary" | "plain" | "quiet" | "danger" | "good";
  small?: boolean;
  icon?: ReactNode;
  /** An icon alone: the label is for those who cannot see it. */
  label?: string;
  busy?: boolean;
}

export function Button({
  tone = "plain",
  small,
  icon,
  label,
  busy,
  children,
  className,
  disabled,
  ...rest
}: ButtonProps) {
  const classes = [
    styles.button,
    styles[tone],
    small && styles.small,
    children === undefined && styles.square,
    className,
  ];
  return (
    <button
      type="button"
      {...rest}
      className={classes.filter(Boolean).join(" ")}
      disabled={disabled === true || busy === true}
      aria-busy={busy === true || undefined}
      {...(label === undefined ? {} : { "aria-label": label, title: label })}
    >
      {icon}
      {children}
    </button>
  );
}
