/** A sentence of ours with `code` in it. The text itself is only ever text. */
import { Fragment } from "react";

export function RichText({ text }: { text: string }) {
  const parts = text.split("`");
  // An odd number of marks is no markup.
  if (parts.length % 2 === 0) return <>{text}</>;
  return (
    <>
      {parts.map((part, index) =>
        index % 2 === 1 ? <code key={index}>{part}</code> : <Fragment key={index}>{part}</Fragment>,
      )}
    </>
  );
}
