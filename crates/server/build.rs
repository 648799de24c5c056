//! Notices when the pages in `web/dist` appear or change, so that a release build embeds what is there.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let dist = Path::new("../../web/dist");
    if dist.is_dir() {
        println!("cargo::rerun-if-changed=../../web/dist");
    } else if Path::new("../../web/package.json").is_file() && std::env::var("PROFILE").is_ok_and(|profile| profile == "release")
    {
        // Naming a file that is not there makes cargo look again at each build. Debug builds read the pages as they run.
        println!("cargo::rerun-if-changed=../../web/dist/index.html");
        println!("cargo::warning=web/dist is not built: this program will have no pages. Run `npm ci && npm run build` in web/.");
    }
}
