import { useState } from "react";
import { Button } from "./Button";
import styles from "./Clamp.module.css";

/** A longer text than this is folded at first. */
const LONG = 480;

/** A text as it was written, folded when it is long. */
export function Clamp({ text }: { text: string }) {
  const [open, setOpen] = useState(false);
  const long = text.length > LONG || text.split("\n").length > 6;
  return (
    <>
      <p className={`${styles.text ?? ""} ${long && !open ? (styles.folded ?? "") : ""}`}>{text}</p>
      {long && (
        <Button
          small
          tone="quiet"
          className={styles.more ?? ""}
          aria-expanded={open}
          onClick={() => setOpen(!open)}
        >
          {open ? "Show less" : "Show all"}
        </Button>
      )}
    </>
  );
}
