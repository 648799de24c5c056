//! Tickets of Plane as people configure them and ask after them.

use super::support::Folder;

#[test]
fn doctor_names_each_project_that_is_not_there_before_any_ticket_is_listed() {
    let folder = Folder::new();
    folder.write("plane.key", "plane_api_0123456789\n");
    let backlog = "type: plane, workspace: acme, api_url: 'http://127.0.0.1:9', api_key_file: ./plane.key, \
                   projects: { WEB: Plain, API: Plane, OPS: Other }";
    folder.write("strawboss.yaml", &format!("backlogs: [{{ {backlog} }}]\nprojects: {{ Plain: ./plain }}\n"));
    let ran = folder.run(&["doctor", "--quick"]);
    for part in ["there is no project `Plane`", "there is no project `Other`", "Known here: Plain."] {
        assert!(ran.out.contains(part), "{part}:\n{}", ran.out);
    }
    assert!(!ran.out.contains("there is no project `Plain`"), "{}", ran.out);
}
