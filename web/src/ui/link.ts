import styles from "./link.module.css";

/** The look of a link within text. */
export const linkStyle = styles.link ?? "";
