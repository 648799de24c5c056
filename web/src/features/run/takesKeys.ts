import type { Run } from "../../api/types";

/** Whether a program of its own draws the run's terminal, and gets every key: a shell's command, or an agent's interface. */
export function takesKeys(run: Run): boolean {
  return run.agent === "shell" || run.mode === "interactive";
}
