import { Link } from "wouter";
import { EmptyState } from "../../ui/EmptyState";
import { Mark } from "../../ui/icons";
import { linkStyle } from "../../ui/link";

export function NotFound() {
  return (
    <EmptyState title="Nothing grows here" mark={<Mark size={48} />}>
      <p>There is no page at this address. A run or task that it named may never have been.</p>
      <Link href="/" className={linkStyle}>
        To the board
      </Link>
    </EmptyState>
  );
}
