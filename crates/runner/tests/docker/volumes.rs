//! What is kept, what goes, and whose it is.

use super::exited;
use super::lab::{Image, Lab, lab};
use strawboss_core::ProjectName;
use strawboss_core::runner::{Cache, KeptKind, Purpose, Runner, SandboxVolume, Tool};
use strawboss_runner::Door;

#[tokio::test]
async fn a_runs_home_outlives_its_sandbox_and_a_fresh_one_does_not() {
    lab(async |lab| {
        for (number, home_is_ours) in [(1, false), (2, true)] {
            let image = lab.import(Image { home_is_ours, ..Image::default() }).await;
            let mut spec = lab.spec(number, "echo work > precious; stat -c '%u:%g' /home/agent");
            spec.image = Some(image.clone());
            let (status, said) = lab.run(&spec).await;
            assert_eq!((status, said.as_str()), (exited(0), "10001:10001\n"));
            // As after a restart: nothing is remembered.
            lab.runner = lab.another_runner(&lab.host);
            assert_eq!(lab.runner.run_volumes().await.unwrap(), [spec.run.clone()]);
            let mut rescue = lab.spec(number, "cat precious && echo more >> precious && sleep 1000");
            rescue.id = spec.run.sandbox(Purpose::Rescue, 1);
            rescue.purpose = Purpose::Rescue;
            let door = lab.doors.open(&rescue.id).unwrap();
            rescue.door_dir = door.dir().to_owned();
            let handle = lab.runner.create(&rescue).await.unwrap();
            lab.runner.start(&handle).await.unwrap();
            lab.hear(&handle, "work").await;
            let error = lab.runner.run_volume_remove(&spec.run).await.unwrap_err();
            assert!(error.to_string().contains("still has it"), "{error}");
            lab.runner.remove(&handle).await.unwrap();
            let mut checks = lab.spec(number, "ls -A; touch mine && stat -c '%u:%g' .");
            checks.id = spec.run.sandbox(Purpose::Checks, 1);
            checks.purpose = Purpose::Checks;
            checks.volume = SandboxVolume::Fresh;
            checks.image = Some(image);
            let (status, said) = lab.run(&checks).await;
            assert_eq!((status, said.as_str()), (exited(0), "10001:10001\n"));
            assert_eq!(lab.our_volumes().await.len(), 1, "a fresh volume stayed");
            lab.runner.run_volume_remove(&spec.run).await.unwrap();
            lab.runner.run_volume_remove(&spec.run).await.unwrap();
            assert_eq!(lab.runner.run_volumes().await.unwrap(), []);
        }
    })
    .await;
}

#[tokio::test]
async fn caches_are_kept_by_purpose_and_what_leads_to_them_is_writable() {
    lab(async |lab| {
        let cache = |purpose, path: &str| Cache { project: ProjectName::parse("The Lab").unwrap(), purpose, path: path.to_owned() };
        let script = "cat .cache/pip/kept /home/agent/.cargo/kept /srv/kept 2>/dev/null; echo \"$STRAWBOSS_SANDBOX\" > .cache/pip/kept && echo c > .cargo/kept && echo s > /srv/kept && touch .cache/other .other && stat -c '%u' .cache .cache/pip .cargo /srv";
        let with = |lab: &Lab, number, purpose| {
            let mut spec = lab.spec(number, script);
            spec.caches = ["/home/agent/.cache/pip", "/home/agent/.cargo", "/srv"].map(|path| cache(purpose, path)).to_vec();
            spec
        };
        let owners = "10001\n10001\n10001\n10001\n";
        assert_eq!(lab.run(&with(lab, 1, Purpose::Agent)).await, (exited(0), owners.to_owned()));
        assert_eq!(lab.run(&with(lab, 2, Purpose::Agent)).await, (exited(0), format!("lab-1.1-agent\nc\ns\n{owners}")));
        assert_eq!(lab.run(&with(lab, 3, Purpose::Checks)).await, (exited(0), owners.to_owned()));
        for wrong in ["relative", "/", "/home", "/home/agent", "/proc/x", "/opt/strawboss/supervisor", "/home/agent/../x", "/run", "/a//b"] {
            let mut spec = lab.spec(4, "true");
            spec.caches = vec![cache(Purpose::Agent, wrong)];
            let error = lab.runner.create(&spec).await.unwrap_err();
            assert!(error.to_string().contains("cannot be a cache"), "{wrong}: {error}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_tool_volume_that_was_cut_short_is_filled_again_and_one_that_vanished_too() {
    lab(async |lab| {
        let mut spec = lab.spec(
            1,
            "cat /opt/strawboss/extra/deep/data; readlink /opt/strawboss/extra/link; stat -c %a /opt/strawboss/extra/deep/data",
        );
        let extra = lab.dir.path().join("extra");
        std::fs::create_dir_all(extra.join("deep")).unwrap();
        std::fs::write(extra.join("deep/data"), &lab.installation).unwrap();
        std::fs::set_permissions(extra.join("deep/data"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::os::unix::fs::symlink("deep/data", extra.join("link")).unwrap();
        spec.tools.push(Tool { name: "extra".to_owned(), dir: extra });
        let expected = (exited(0), format!("{}deep/data\n644\n", lab.installation));
        assert_eq!(lab.run(&spec).await, expected);
        let volumes = lab.tool_volumes().await;
        assert_eq!(volumes.len(), 2);
        for volume in &volumes {
            lab.docker.remove_volume(volume, None::<bollard::query_parameters::RemoveVolumeOptions>).await.unwrap();
        }
        // This runner believes them to be complete. The engine makes empty ones; the start finds that out, the next try mends it.
        let handle = lab.runner.create(&spec).await.unwrap();
        assert!(lab.runner.start(&handle).await.is_err());
        assert_eq!(lab.runner.create(&spec).await.unwrap(), handle);
        lab.runner.start(&handle).await.unwrap();
        assert_eq!(lab.runner.wait(&handle).await.unwrap(), exited(0));
        assert!(lab.said(&handle).await.ends_with(&expected.1));
        lab.runner.remove(&handle).await.unwrap();
        // Made anew by the engine, so without labels: put them away by name.
        for volume in &volumes {
            lab.docker.remove_volume(volume, None::<bollard::query_parameters::RemoveVolumeOptions>).await.unwrap();
        }
        assert_eq!(lab.another_runner(&lab.host).create(&spec).await.map(|_| ()), Ok(()));
    })
    .await;
}

#[tokio::test]
async fn caches_and_old_tools_are_listed_and_go_when_no_sandbox_has_them() {
    lab(async |lab| {
        let mut spec = lab.spec(1, "echo kept > .cache/kept");
        let cache = Cache {
            project: ProjectName::parse("The Lab").unwrap(),
            purpose: Purpose::Agent,
            path: "/home/agent/.cache".to_owned(),
        };
        spec.caches = vec![cache.clone()];
        let handle = lab.runner.create(&spec).await.unwrap();
        assert_eq!(lab.runner.kept(&spec.tools).await.unwrap().len(), 1, "the current tools are none of it");
        let kept = lab.runner.kept(&[]).await.unwrap();
        let kinds: Vec<_> = kept.iter().map(|folder| folder.kind.clone()).collect();
        let mut expected = vec![KeptKind::Cache(Some(cache))];
        if crate::line::LISTS_TOOLS {
            expected.push(KeptKind::Tool("supervisor".to_owned()));
        }
        assert_eq!(kinds, expected);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as i64;
        for folder in &kept {
            assert!((now - folder.used_at.0).abs() < 600_000, "{folder:?} at {now}");
            assert!(!lab.runner.kept_remove(&folder.key).await.unwrap(), "its sandbox is there: {folder:?}");
        }
        lab.runner.remove(&handle).await.unwrap();
        let homes: Vec<_> = lab.our_volumes().await.into_iter().filter(|volume| volume.ends_with("-home")).collect();
        let error = lab.runner.kept_remove(&homes[0]).await.unwrap_err();
        assert!(error.to_string().contains("no cache or tool"), "{error}");
        for folder in &kept {
            assert!(lab.runner.kept_remove(&folder.key).await.unwrap() && lab.runner.kept_remove(&folder.key).await.unwrap());
        }
        assert_eq!(lab.runner.kept(&[]).await.unwrap(), []);
        // What went is made anew when it is needed.
        assert_eq!(lab.run(&spec).await.0, exited(0));
    })
    .await;
}
