//! Plane keeps text as HTML: what of it an agent is told, as Markdown, and our own words as HTML.
//!
//! The text is a stranger's. It is read token by token, in one pass: a tree of it may be as deep as the stranger likes, and by
//! HTML's own rules far larger than its text.

use html5gum::{StartTag, Token, Tokenizer};
use std::fmt::Write as _;

/// How deep lists and quotes are shown; deeper ones read as if they were not so deep.
const DEPTH: usize = 6;
/// The longest address of a link that is repeated, in bytes.
const ADDRESS_LIMIT: usize = 2048;

/// As text in HTML.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// What is told of a piece of HTML: its text with headings, lists, quotes, code, tables and links as Markdown has them. Scripts,
/// styles and what images hold are left out.
pub(super) fn to_markdown(html: &str) -> String {
    let mut writer = Writer::default();
    for token in Tokenizer::new(html) {
        // A string that is in memory is always read.
        let Ok(token) = token;
        match token {
            Token::StartTag(tag) => writer.open(&tag),
            Token::EndTag(tag) => writer.close(&lossy(&tag.name)),
            Token::String(text) => writer.text(&lossy(&text.value)),
            _ => {}
        }
    }
    writer.finish()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Bullets,
    Numbers(u32),
}

#[derive(Debug, Default)]
struct Writer {
    out: String,
    /// Blank lines that are owed before the next text: 1 for a new line, 2 for a paragraph.
    owed: usize,
    /// How deep in quotes the text is that was written last.
    quoted: usize,
    /// What stands before the next text, once: the mark of a list's item.
    mark: String,
    lists: Vec<List>,
    quotes: usize,
    /// Within `pre`.
    verbatim: bool,
    /// Within something that is not shown, until this is closed.
    hidden: Option<&'static str>,
    /// Where the links lead that are open.
    links: Vec<String>,
    /// Cells of the row that were begun.
    cells: usize,
}

impl Writer {
    fn attribute(tag: &StartTag<()>, name: &str) -> Option<String> {
        tag.attributes.get(name.as_bytes()).map(|value| lossy(value))
    }

    fn owe(&mut self, lines: usize) {
        self.owed = self.owed.max(lines);
    }

    /// Writes what was owed: new lines with what stands before each of them.
    fn settle(&mut self) {
        let lines = if self.out.is_empty() { usize::from(self.quotes > 0) } else { self.owed };
        let quotes = self.quotes.min(DEPTH);
        let quote = "> ".repeat(quotes);
        for at in 0..lines {
            if !self.out.is_empty() {
                // A line that only parts paragraphs is as deep as both.
                if at > 0 {
                    self.out.push_str("> ".repeat(quotes.min(self.quoted)).trim_end());
                }
                self.out.push('\n');
            }
        }
        self.quoted = quotes;
        if lines > 0 {
            self.out.push_str(&quote);
            let depth = self.lists.len().min(DEPTH);
            let inner = if self.mark.is_empty() { depth } else { depth.saturating_sub(1) };
            self.out.push_str(&"  ".repeat(inner));
        }
        self.owed = 0;
        self.out.push_str(&std::mem::take(&mut self.mark));
    }

    fn put(&mut self, text: &str) {
        self.settle();
        self.out.push_str(text);
    }

    fn text(&mut self, text: &str) {
        if self.hidden.is_some() {
            return;
        }
        if self.verbatim {
            for (at, line) in text.split('\n').enumerate() {
                if at > 0 {
                    self.owed += 1;
                }
                if !line.is_empty() {
                    self.put(line);
                }
            }
            return;
        }
        for (at, word) in text.split([' ', '\t', '\n', '\r', '\u{c}']).enumerate() {
            let begins_a_line = self.owed > 0 || self.out.is_empty();
            if at > 0 && !begins_a_line && self.mark.is_empty() && !self.out.ends_with([' ', '\n']) {
                self.out.push(' ');
            }
            if !word.is_empty() {
                self.put(word);
            }
        }
    }

    fn open(&mut self, tag: &StartTag<()>) {
        let name = lossy(&tag.name);
        if self.hidden.is_some() {
            return;
        }
        if !tag.self_closing
            && let Some(hidden) = HIDDEN.iter().find(|hidden| **hidden == name)
        {
            self.hidden = Some(hidden);
            return;
        }
        match name.as_str() {
            "p" | "div" | "section" | "article" | "details" | "summary" | "table" | "figure" => {
                self.owe(if self.mark.is_empty() { 2 } else { 0 });
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" => {
                self.owe(2);
                let level = name[1..].parse().unwrap_or(1);
                self.mark.push_str(&format!("{} ", "#".repeat(level)));
            }
            "br" => self.owed += 1,
            "hr" => {
                self.owe(2);
                self.put("---");
                self.owe(2);
            }
            "ul" | "ol" => {
                self.owe(if self.lists.is_empty() { 2 } else { 1 });
                let start = Self::attribute(tag, "start").and_then(|start| start.parse().ok()).unwrap_or(1);
                self.lists.push(if name == "ul" { List::Bullets } else { List::Numbers(start) });
            }
            "li" => {
                self.owe(1);
                self.mark = match self.lists.last_mut() {
                    Some(List::Numbers(next)) => {
                        let mark = format!("{next}. ");
                        *next = next.saturating_add(1);
                        mark
                    }
                    _ => "- ".to_owned(),
                };
                match Self::attribute(tag, "data-checked").as_deref() {
                    Some("true") => self.mark.push_str("[x] "),
                    Some(_) => self.mark.push_str("[ ] "),
                    None => {}
                }
            }
            "blockquote" => {
                self.owe(2);
                self.quotes += 1;
            }
            "pre" => {
                self.owe(2);
                self.put("```");
                self.owed = 1;
                self.verbatim = true;
            }
            "code" if !self.verbatim => self.put("`"),
            "strong" | "b" => self.put("**"),
            "em" | "i" => self.put("*"),
            "s" | "del" => self.put("~~"),
            "a" => {
                self.put("[");
                self.links.push(Self::attribute(tag, "href").unwrap_or_default());
            }
            "img" | "image-component" => {
                let alt = Self::attribute(tag, "alt").unwrap_or_default();
                self.put(&if alt.trim().is_empty() { "[image]".to_owned() } else { format!("[image: {}]", alt.trim()) });
            }
            "mention-component" => {
                let name = Self::attribute(tag, "entity_name").unwrap_or_default();
                self.put(&if name.is_empty() { "@somebody".to_owned() } else { format!("@{name}") });
            }
            "tr" => {
                self.owe(1);
                self.cells = 0;
            }
            "td" | "th" => {
                self.put(if self.cells == 0 { "| " } else { " | " });
                self.cells += 1;
            }
            _ => {}
        }
    }

    fn close(&mut self, name: &str) {
        if let Some(hidden) = self.hidden {
            if hidden == name {
                self.hidden = None;
            }
            return;
        }
        match name {
            "p" | "div" | "section" | "article" | "details" | "summary" | "figure" => {
                self.owe(if self.lists.is_empty() { 2 } else { 1 });
            }
            "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "table" => {
                self.mark.clear();
                self.owe(2);
            }
            "ul" | "ol" => {
                self.lists.pop();
                self.mark.clear();
                self.owe(if self.lists.is_empty() { 2 } else { 1 });
            }
            "li" => {
                self.mark.clear();
                self.owe(1);
            }
            "blockquote" => {
                self.quotes = self.quotes.saturating_sub(1);
                self.owe(2);
            }
            "pre" if self.verbatim => {
                self.owed = 1;
                self.put("```");
                self.verbatim = false;
                self.owe(2);
            }
            "code" if !self.verbatim => self.out.push('`'),
            "strong" | "b" => self.out.push_str("**"),
            "em" | "i" => self.out.push('*'),
            "s" | "del" => self.out.push_str("~~"),
            "a" => {
                if let Some(address) = self.links.pop() {
                    let address = address.trim();
                    let known = ["https://", "http://", "mailto:"].iter().any(|scheme| address.starts_with(scheme));
                    let shown = known && address.len() <= ADDRESS_LIMIT && !address.contains(char::is_whitespace);
                    let _ = write!(self.out, "]({})", if shown { address } else { "" });
                }
            }
            "tr" if self.cells > 0 => {
                self.out.push_str(" |");
                self.cells = 0;
                self.owe(1);
            }
            _ => {}
        }
    }

    fn finish(mut self) -> String {
        if self.verbatim {
            self.close("pre");
        }
        let lines: Vec<&str> = self.out.trim().lines().map(str::trim_end).collect();
        lines.join("\n")
    }
}

/// Elements whose content is no text for people.
const HIDDEN: [&str; 9] = ["script", "style", "head", "template", "noscript", "iframe", "object", "svg", "textarea"];

#[cfg(test)]
mod tests {
    use super::{escape, to_markdown};

    #[test]
    fn text_reads_as_markdown_has_it() {
        for (html, markdown) in [
            ("<p></p>", ""),
            ("<p>One &amp; two</p><p>and -- <b>bold</b> &lt;x&gt;</p>", "One & two\n\nand -- **bold** <x>"),
            ("<h2>How</h2>so<br>and so", "## How\n\nso\nand so"),
            (
                "<ul><li><p>one</p></li><li>two<ol start=\"3\"><li>a</li><li>b</li></ol></li></ul><p>end</p>",
                "- one\n- two\n  3. a\n  4. b\n\nend",
            ),
            (
                "<ul data-type=\"taskList\"><li data-checked=\"true\">did</li><li data-checked=\"false\">do</li></ul>",
                "- [x] did\n- [ ] do",
            ),
            ("<p>in</p><blockquote><p>said</p><p>so</p></blockquote>out", "in\n\n> said\n>\n> so\n\nout"),
            (
                "<pre><code>if a &lt; b {\n    c\n}\n</code></pre><p>run <code>make</code></p>",
                "```\nif a < b {\n    c\n}\n```\n\nrun `make`",
            ),
            (
                "<p>see <a href=\"https://x.test/a?b=1\">this</a> and <a href=\"javascript:alert(1)\">that</a></p>",
                "see [this](https://x.test/a?b=1) and [that]()",
            ),
            ("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>", "| a | b |\n| 1 | 2 |"),
            ("<p>Hello <mention-component entity_name=\"ann\"></mention-component></p>", "Hello @ann"),
        ] {
            assert_eq!(to_markdown(html), markdown, "{html}");
        }
    }

    #[test]
    fn scripts_and_what_images_hold_are_left_out() {
        let html = "<script>alert('<p>1</p>')</script><style>p{}</style><p onclick=\"x()\">a<img src=\"data:image/png;base64,AAAA\" alt=\"b\">\
                    <image-component src=\"1\"></image-component><!-- c --><svg><text>d</text></svg></p>";
        assert_eq!(to_markdown(html), "a[image: b][image]");
    }

    #[test]
    fn text_as_deep_and_as_large_as_a_stranger_likes_is_read_in_one_pass() {
        let deep = "<blockquote><ul><li><b>".repeat(100_000);
        let text = to_markdown(&format!("{deep}end"));
        assert!(text.ends_with("end"), "{}", text.len());
        let formatted = (0..50_000).fold(String::new(), |text, at| text + &format!("<p><b x={at}>"));
        assert!(to_markdown(&formatted).len() < 10 * formatted.len());
    }

    #[test]
    fn what_we_say_is_no_markup() {
        let said = "<script>\"a\" & 'b'</script>";
        assert_eq!(escape(said), "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;");
        assert_eq!(to_markdown(&escape(said)), said);
    }
}
