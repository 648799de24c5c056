//! Tests of saves that cross ours: a person reads or opens the file in the moment in which another edit is out of it,
//! and saves later. Both edits are then in the file or in a copy beside it.

use super::steps::{Step, Steps};
use super::storm::{FILE, completed, writer};
use super::write::Writer;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

fn row(name: &str) -> String {
    format!("{name},Person,Pending,,,Mine,\r\n")
}

fn append(path: &Path) -> File {
    OpenOptions::new().append(true).open(path).unwrap()
}

fn save(path: &Path, text: &str) {
    let aside = path.with_extension("csv~");
    fs::write(&aside, text).unwrap();
    fs::rename(&aside, path).unwrap();
}

/// Looks until nothing is left to merge. The file's content, and that of the copies that were kept.
fn settled(writer: &Writer) -> (String, Vec<String>) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while writer.look().is_err() || writer.is_touched() {
        assert!(Instant::now() < deadline, "a late edit was never merged");
    }
    let mut copies: Vec<PathBuf> = writer.remains.conflicts();
    copies.sort();
    (fs::read_to_string(&writer.path).unwrap(), copies.iter().map(|copy| fs::read_to_string(copy).unwrap()).collect())
}

struct Scene {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn scene() -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("priorities.csv");
    fs::write(&path, FILE).unwrap();
    Scene { _dir: dir, path }
}

/// Adds a row.
fn with_p(text: String) -> String {
    text + &row("p")
}

/// A write during which another person saves an edit right before the exchange, so that ours is taken back again; `peek`
/// is called while ours is to be seen.
fn write_that_gives_way<T: Send + 'static>(
    path: &Path,
    edit: impl Fn(String) -> String + Send + Sync + 'static,
    peek: impl Fn(&Path) -> T + Send + Sync + 'static,
) -> (Writer, T) {
    let seen = Arc::new(Mutex::new(None));
    let (at, found) = (path.to_owned(), Arc::clone(&seen));
    let saved = Mutex::new(false);
    let writer = writer(
        path,
        Steps::watched(move |step| {
            match step {
                Step::Exchange if !std::mem::replace(&mut *saved.lock().unwrap(), true) => {
                    save(&at, &edit(fs::read_to_string(&at).unwrap()));
                }
                Step::ExchangeBack => *found.lock().unwrap() = Some(peek(&at)),
                _ => {}
            }
            Ok(())
        }),
    );
    writer.write(&[completed("id:a")]).unwrap();
    let peeked = seen.lock().unwrap().take().expect("ours was never taken back");
    (writer, peeked)
}

#[test]
fn a_row_that_was_merged_late_is_kept_when_a_save_of_what_was_read_before_removes_it() {
    let Scene { path, .. } = &scene();
    let writer = writer(path, Steps::default());
    let mut late = append(path);
    writer.write(&[completed("id:a")]).unwrap();
    late.write_all(row("p").as_bytes()).unwrap();
    let read = fs::read_to_string(path).unwrap();
    assert!(settled(&writer).0.contains(&row("p")));
    save(path, &(read + &row("q")));
    let (text, copies) = settled(&writer);
    assert!(text.contains(&row("q")) && !text.contains(&row("p")), "{text}");
    let [copy] = copies.as_slice() else { panic!("{copies:?}") };
    assert_eq!(
        copy.trim_start_matches('\u{feff}'),
        format!("{}\n{}\n", FILE.lines().next().unwrap().trim_start_matches('\u{feff}'), row("p").trim_end())
    );
    // A file that is being written from the start is no save yet, and once is enough.
    save(path, &(fs::read_to_string(path).unwrap() + &row("r")));
    assert_eq!(settled(&writer).1.len(), 1);
}

#[test]
fn a_change_that_was_merged_late_is_kept_when_a_save_undoes_it() {
    let Scene { path, .. } = &scene();
    let writer = writer(path, Steps::default());
    let late = append(path);
    writer.write(&[completed("id:a")]).unwrap();
    let read = fs::read_to_string(path).unwrap();
    late.set_len(0).unwrap();
    (&late).write_all(FILE.replace("Do that", "Do more").as_bytes()).unwrap();
    assert!(settled(&writer).0.contains("Do more"));
    save(path, &(read + &row("q")));
    let (text, copies) = settled(&writer);
    assert!(text.contains("Do that") && text.contains(&row("q")), "{text}");
    assert!(copies.len() == 1 && copies[0].contains("b,Other,Pending,,,Do more,"), "{copies:?}");
}

#[test]
fn a_change_is_kept_also_when_the_save_that_undoes_it_changes_something_else() {
    let Scene { path, .. } = &scene();
    let writer = writer(path, Steps::default());
    let late = append(path);
    writer.write(&[completed("id:a")]).unwrap();
    let read = fs::read_to_string(path).unwrap();
    late.set_len(0).unwrap();
    (&late).write_all(FILE.replace("Do that", "Do more").as_bytes()).unwrap();
    settled(&writer);
    save(path, &read.replace("b,Other,Pending,,,Do that,", "b,Other,Pending,,,Do that,soon"));
    let copies = settled(&writer).1;
    assert!(copies.len() == 1 && copies[0].contains("b,Other,Pending,,,Do more,"), "{copies:?}");
}

#[test]
fn a_change_that_was_put_back_is_kept_when_a_save_of_what_was_seen_meanwhile_undoes_it() {
    let Scene { path, .. } = &scene();
    let edit = |text: String| text.replace("\"Do, it\"", "\"Do more\"");
    let (writer, read) = write_that_gives_way(path, edit, |path| fs::read_to_string(path).unwrap());
    assert!(read.contains("a,Antenna,Completed,") && read.contains("\"Do, it\""), "{read}");
    assert!(settled(&writer).0.contains("\"Do more\""));
    save(path, &(read + &row("q")));
    let copies = settled(&writer).1;
    assert!(copies.len() == 1 && copies[0].contains("\"Do more\""), "{copies:?}");
}

#[test]
fn a_row_that_was_merged_late_may_be_edited_and_written_to() {
    let Scene { path, .. } = &scene();
    let writer = writer(path, Steps::default());
    let mut late = append(path);
    writer.write(&[completed("id:a")]).unwrap();
    late.write_all(row("p").as_bytes()).unwrap();
    settled(&writer);
    writer.write(&[completed("id:p")]).unwrap();
    save(path, &fs::read_to_string(path).unwrap().replace("Mine", "Mine, but better"));
    let (text, copies) = settled(&writer);
    assert!(text.contains("p,Person,Completed,") && copies.is_empty(), "{text}\n{copies:?}");
}

#[test]
fn a_row_that_was_put_back_is_kept_when_a_save_of_what_was_seen_meanwhile_removes_it() {
    let Scene { path, .. } = &scene();
    let (writer, read) = write_that_gives_way(path, with_p, |path| fs::read_to_string(path).unwrap());
    assert!(!read.contains(&row("p")) && settled(&writer).0.contains(&row("p")));
    save(path, &(read + &row("q")));
    let (text, copies) = settled(&writer);
    assert!(text.contains(&row("q")), "{text}");
    assert!(copies.len() == 1 && copies[0].contains(row("p").trim_end()), "{copies:?}");
}

#[test]
fn a_row_appended_to_a_content_that_gave_way_is_merged() {
    let Scene { path, .. } = &scene();
    let (writer, mut handle) = write_that_gives_way(path, with_p, append);
    handle.write_all(row("q").as_bytes()).unwrap();
    let (text, copies) = settled(&writer);
    assert!(text.contains(&row("p")) && text.contains(&row("q")) && copies.is_empty(), "{text}\n{copies:?}");
}

#[test]
fn a_save_begun_on_a_content_that_gave_way_is_kept_whole() {
    let Scene { path, .. } = &scene();
    let (writer, (read, mut handle)) = write_that_gives_way(path, with_p, |path| {
        // What editors do that save in place: read, empty, write.
        (fs::read_to_string(path).unwrap(), File::create(path).unwrap())
    });
    handle.write_all((read + &row("q")).as_bytes()).unwrap();
    let (text, copies) = settled(&writer);
    assert!(text.contains(&row("p")) && !text.contains(&row("q")), "{text}");
    assert!(copies.len() == 1 && copies[0].contains(&row("q")), "{copies:?}");
}

#[test]
fn a_late_rewrite_does_not_undo_what_was_saved_since() {
    let Scene { path, .. } = &scene();
    let writer = writer(path, Steps::default());
    let late = append(path);
    writer.write(&[completed("id:a")]).unwrap();
    save(path, &(fs::read_to_string(path).unwrap() + &row("p")));
    settled(&writer);
    writer.write(&[completed("id:b")]).unwrap();
    late.set_len(0).unwrap();
    (&late).write_all((FILE.replace("Do that", "Do more") + &row("q")).as_bytes()).unwrap();
    let (text, copies) = settled(&writer);
    assert!(text.contains(&row("p")) && text.contains("b,Other,Completed,"), "{text}");
    assert!(copies.len() == 1 && copies[0].contains(&row("q")), "{copies:?}");
}

#[test]
fn a_late_rewrite_does_not_undo_what_was_written_in_place_since() {
    let Scene { path, .. } = &scene();
    let writer = writer(path, Steps::default());
    let late = append(path);
    writer.write(&[completed("id:a")]).unwrap();
    // With another name the file is written in place.
    fs::hard_link(path, path.with_extension("backup")).unwrap();
    append(path).write_all(row("p").as_bytes()).unwrap();
    settled(&writer);
    writer.write(&[completed("id:b")]).unwrap();
    late.set_len(0).unwrap();
    (&late).write_all(FILE.replace("Do that", "Do more").as_bytes()).unwrap();
    let (text, copies) = settled(&writer);
    assert!(text.contains(&row("p")) && text.contains("b,Other,Completed,"), "{text}");
    assert!(copies.len() == 1 && copies[0].contains("Do more"), "{copies:?}");
}

#[test]
fn what_is_written_long_after_a_file_was_emptied_is_no_end_of_another() {
    let Scene { path, .. } = &scene();
    let writer = writer(path, Steps::default());
    let late = append(path);
    writer.write(&[completed("id:a")]).unwrap();
    late.set_len(0).unwrap();
    // Longer than an empty file is waited for.
    settled(&writer);
    (&late).write_all((FILE.to_owned() + &row("q")).as_bytes()).unwrap();
    let (text, copies) = settled(&writer);
    assert!(text.matches("ID,Project").count() == 1 && text.contains(&row("q")) && copies.is_empty(), "{text}\n{copies:?}");
    assert!(text.contains("a,Antenna,Completed,"), "{text}");
}
