//! Doors that lie in a volume of the engine's, as when the control plane is in a container.

use super::lab::{Lab, lab};
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::InspectContainerOptions;
use std::collections::HashMap;
use std::path::PathBuf;
use strawboss_core::runner::{Runner, RunnerError};
use strawboss_runner::{DockerConfig, DockerRunner, Door, DoorsVolume, SocketDoors};
use tokio::io::AsyncReadExt;

const HELLO: &str = "perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new(Peer => $ENV{STRAWBOSS_DOOR}) or exit 1; print $s \"hello\"'; cat /etc/hosts";

async fn volume(lab: &Lab) -> (String, PathBuf) {
    let name = format!("strawboss-{}-doors", lab.installation);
    let labels = HashMap::from([("strawboss.installation".to_owned(), lab.installation.clone())]);
    let request = VolumeCreateRequest { name: Some(name.clone()), labels: Some(labels), ..VolumeCreateRequest::default() };
    let made = lab.docker.create_volume(request).await.unwrap();
    (name, made.mountpoint.into())
}

fn runner(lab: &Lab, volume: &str, folder: PathBuf) -> DockerRunner {
    DockerRunner::new(DockerConfig {
        host: Some(lab.host.clone()),
        installation: lab.installation.clone(),
        default_image: lab.image.clone(),
        doors: Some(DoorsVolume { volume: volume.to_owned(), folder }),
        ..DockerConfig::default()
    })
}

#[tokio::test]
async fn a_door_is_bound_from_where_the_engine_keeps_its_volume() {
    lab(async |lab| {
        let (name, mountpoint) = volume(lab).await;
        // The engine's folder leads to ours, as a mount of the volume would: the same place by two names.
        std::os::unix::fs::symlink(lab.dir.path().join("doors"), mountpoint.join("doors")).unwrap();
        let runner = runner(lab, &name, lab.dir.path().to_owned());
        let spec = lab.spec(1, HELLO);
        let door = lab.doors.open(&spec.id).unwrap();
        let handle = runner.create(&spec).await.unwrap();
        let found = lab.docker.inspect_container(&handle.0, None::<InspectContainerOptions>).await.unwrap();
        let bound: Vec<_> = found.mounts.unwrap().into_iter().filter_map(|mount| mount.source).collect();
        let expected = mountpoint.join("doors").join(spec.door_dir.file_name().unwrap());
        assert!(bound.contains(&expected.display().to_string()), "{bound:?}");
        runner.start(&handle).await.unwrap();
        let mut text = String::new();
        door.accept().await.unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        runner.wait(&handle).await.unwrap();
        assert!(lab.said(&handle).await.contains("localhost sandbox"));
        runner.remove(&handle).await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_door_elsewhere_and_a_volume_that_is_not_there_are_said() {
    lab(async |lab| {
        let (name, mountpoint) = volume(lab).await;
        let spec = lab.spec(1, "true");
        let elsewhere = SocketDoors::new(&mountpoint).unwrap().open(&spec.id).unwrap();
        let mut other = spec.clone();
        other.door_dir = elsewhere.dir().to_owned();
        for (spec, volume, why) in
            [(&other, name.as_str(), "server.doors_dir"), (&spec, "strawboss-no-such-volume", "runner.doors_volume")]
        {
            let error = runner(lab, volume, lab.dir.path().to_owned()).create(spec).await.unwrap_err();
            assert!(matches!(&error, RunnerError::Failed { why: said, .. } if said.contains(why)), "{error}");
        }
        assert!(lab.containers().await.is_empty());
    })
    .await;
}
