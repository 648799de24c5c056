import { Dialog } from "../../ui/Dialog";
import styles from "./HelpDialog.module.css";

const KEYS: readonly (readonly [string, string])[] = [
  ["j k", "Next and previous card"],
  ["h l", "Column to the left and to the right"],
  ["Enter", "Open the card"],
  ["/", "Filter"],
  ["n", "Add a task"],
  ["r", "Reviews"],
  ["?", "This help"],
  ["Esc", "Close, or clear the filter"],
];

export function HelpDialog({ onClose }: { onClose: () => void }) {
  return (
    <Dialog title="Keyboard" onClose={onClose}>
      <dl className={styles.keys}>
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
