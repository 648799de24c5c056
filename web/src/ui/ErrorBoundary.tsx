/** Keeps one broken part from taking the page with it. */
import { Component, type ReactNode } from "react";
import { Button } from "./Button";
import { Notice } from "./Notice";

interface Props {
  /** What broke, for the message: "the board". */
  what: string;
  children: ReactNode;
}

export class ErrorBoundary extends Component<Props, { error: Error | undefined }> {
  override state: { error: Error | undefined } = { error: undefined };

  static getDerivedStateFromError(error: unknown) {
    return { error: error instanceof Error ? error : new Error(String(error)) };
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    const stale = /dynamically imported module|Importing a module script failed/.test(error.message);
    return (
      <Notice
        tone="bad"
        title={stale ? "This page is older than the server" : `Could not show ${this.props.what}`}
        fix={
          stale
            ? "Reload: Strawboss was updated since this page was opened."
            : "Try again. If it happens once more, please report it with the words above."
        }
        action={
          <Button
            small
            onClick={() => {
              if (stale) window.location.reload();
              else this.setState({ error: undefined });
            }}
          >
            {stale ? "Reload" : "Try again"}
          </Button>
        }
      >
        {!stale && <p>{error.message}</p>}
      </Notice>
    );
  }
}
